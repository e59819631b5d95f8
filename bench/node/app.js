'use strict';
// The article's application, with the packages of conformance/peers/application, to be measured: its session options (but for
// the lifetime, and `saveUninitialized: false`, as everywhere in this comparison), its routes, and its pages as Jade
// renders them. They are template literals here, which costs less than Jade.
//
// Usage: node app.js FOLDER REDIS_PORT PREFIX LIFETIME_MS SECRET
// FOLDER has the packages. It prints `listening <port>`.

const [folder, redisPort, prefix, lifetime, secret] = process.argv.slice(2)
const from = require('module').createRequire(require('path').resolve(folder, 'package.json'))
const express = from('express')
const session = from('express-session')
const RedisStore = from('connect-redis')(session)
const Redis = from('ioredis')

const client = new Redis(Number(redisPort), '127.0.0.1')
const app = express()
app.use(session({
  secret,
  resave: false,
  saveUninitialized: false,
  rolling: true,
  cookie: { maxAge: Number(lifetime) },
  store: new RedisStore({ client, prefix })
}))

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
const page = (body) => '<!DOCTYPE html><html><head><title></title><link rel="stylesheet" ' +
  `href="/stylesheets/style.css"></head><body>${body}</body></html>`

app.get('/', (req, res) => {
  const { userName, id, cookie } = req.session
  if (!userName) return res.redirect('login')
  // The article shows `cookie.maxAge`, which connect-redis never renews and which has other digits at each visit.
  res.send(page(`<h1>Hello, ${escaped(userName)}!</h1><p>SESSION ID : ${escaped(id)}</p>` +
    `<p>Expire on after ${cookie.originalMaxAge / 1000}s</p><a href="/delete-session">Logout</a>`))
})
app.get('/login', (req, res) => {
  if (req.session.userName) return res.redirect('/')
  res.send(page('<h1>Login</h1><form action="/save-session"><input name="userName"><input type="submit"></form>'))
})
app.get('/count', (req, res) => {
  if (!req.session.userName) return res.redirect('login')
  req.session.visits = (req.session.visits || 0) + 1
  res.send(String(req.session.visits))
})

const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
