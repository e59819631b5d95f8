'use strict';
// An express-session server that does what each request says, so that one process serves every combination of options.
//
//   node server.js <folder with node_modules> <redis url>
//
// The header `x-do` is a JSON object:
//   options  what session() is called with; `secret` takes strings or {"hex": ".."}, `store` goes to the store
//   ops      what the handler does, in order; what each one saw is answered as `log`
//   now      the time that Date shows from here on, in milliseconds; without it, the system's
// It prints `listening <port>` and ends when its standard input does.

const http = require('node:http')
const net = require('node:net')
const path = require('node:path')
const { createRequire } = require('node:module')

const RealDate = Date
let frozen = null
global.Date = class extends RealDate {
  constructor (...args) {
    if (args.length === 0 && frozen !== null) super(frozen)
    else super(...args)
  }

  static now () {
    return frozen === null ? RealDate.now() : frozen
  }
}

const [, , folder, url] = process.argv
process.env.NO_DEPRECATION = 'express-session'
const load = createRequire(path.resolve(folder, 'package.json'))
const session = load('express-session')
const { RedisStore, client, ready } = connect()
const middlewares = new Map()

function connect () {
  const exported = load('connect-redis')
  const RedisStore = exported.RedisStore || exported(session)
  const usesIoredis = Object.hasOwn(load('./package.json').dependencies, 'ioredis')
  if (usesIoredis) {
    const Redis = load('ioredis')
    const client = new Redis(url)
    client.on('error', () => {})
    return { RedisStore, client, ready: new Promise((resolve) => client.once('ready', resolve)) }
  }
  const client = load('redis').createClient({ url })
  client.on('error', () => {})
  return { RedisStore, client, ready: client.connect() }
}

function middleware (options) {
  const key = JSON.stringify(options)
  let found = middlewares.get(key)
  if (!found) {
    // Each its own store: session() puts its `generate` onto the store, so that two of them on one would mix.
    const { store, secret, genid, cookie, ...rest } = options
    found = session({
      ...rest,
      secret: secret.map((s) => (typeof s === 'string' ? s : Buffer.from(s.hex, 'hex'))),
      cookie: cookie && 'expires' in cookie && typeof cookie.expires === 'string'
        ? { ...cookie, expires: new Date(cookie.expires) }
        : cookie,
      ...(genid === undefined ? {} : { genid: () => genid }),
      store: new RedisStore({ client, ...store })
    })
    middlewares.set(key, found)
  }
  return found
}

const call = (start) => new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))))

function read (data) {
  if (!data) return 'none'
  const names = Object.keys(data).filter((name) => name !== 'cookie' && name !== '__ck').sort()
  return names.map((name) => [name, JSON.stringify(data[name])])
}

const operations = {
  set: (req, name, text) => { req.session[name] = JSON.parse(text) },
  delete: (req, name) => { delete req.session[name] },
  inc: (req, name) => (req.session[name] = (req.session[name] || 0) + 1),
  read: (req) => read(req.session),
  regenerate: (req) => call((done) => req.session.regenerate(done)).then(() => undefined),
  destroy: (req) => call((done) => req.session.destroy(done)).then(() => undefined),
  save: (req) => call((done) => req.session.save(done)).then(() => undefined),
  reload: (req) => call((done) => req.session.reload(done)).then(() => undefined),
  touch: (req) => { req.session.touch() },
  maxAge: (req, ms) => { req.session.cookie.maxAge = ms },
  cookie: (req, name, value) => { req.session.cookie[name] = value },
  unset: (req) => { req.session = null },
  sleep: (_, ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  // Says that the handler is here, and goes on when the connection ends.
  hold: (_, port) => new Promise((resolve) => {
    net.connect(port, '127.0.0.1').on('error', () => {}).on('close', resolve).resume()
  }),
  yield: async (_, times) => {
    for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve))
  },
  status: (req, code) => { req.answer.statusCode = code },
  header: (req, name, value) => { req.answer.setHeader(name, value) },
  ids: (req) => call((done) => req.sessionStore.ids(done)).then((ids) => [...ids].sort()),
  length: (req) => call((done) => req.sessionStore.length(done)),
  all: (req) => call((done) => req.sessionStore.all(done)).then((all) => all.map((one) => one.id).sort()),
  clear: (req) => call((done) => req.sessionStore.clear(done)).then(() => undefined)
}

async function handle (req, res, ops) {
  const log = []
  req.answer = res
  try {
    for (const [name, ...args] of ops) {
      const value = await operations[name](req, ...args)
      log.push(value === undefined ? name : value)
    }
  } catch (error) {
    res.statusCode = 500
    log.push('failed')
  }
  const body = JSON.stringify({ log })
  res.setHeader('Content-Type', 'application/json')
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.end(body)
}

const server = http.createServer({ maxHeaderSize: 1 << 20, keepAlive: true }, (req, res) => {
  const { options, ops, now } = JSON.parse(req.headers['x-do'])
  frozen = now === undefined ? null : now
  const fail = (error) => {
    if (res.headersSent) return
    res.statusCode = 500
    res.end(JSON.stringify({ log: ['failed'], error: String(error && error.message) }))
  }
  try {
    middleware(options)(req, res, (error) => (error ? fail(error) : handle(req, res, ops)))
  } catch (error) {
    fail(error)
  }
})
server.keepAliveTimeout = 600_000
process.stdin.on('end', () => process.exit()).resume()
ready.then(() => server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`)))
