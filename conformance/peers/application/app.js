'use strict';
// The article's application: its routes, its session options, its environment. The pages are as much HTML as is needed to
// see what a visitor sees.
//
// It prints `listening <port>` and ends when its standard input does.

const express = require('express')
const session = require('express-session')
const RedisStore = require('connect-redis')(session)
const Redis = require('ioredis')

const client = new Redis(process.env.REDIS_PORT, process.env.REDIS_HOST)
client.on('error', () => {})

const app = express()
app.use(session({
  secret: process.env.SESSION_SECRET,
  resave: false,
  saveUninitialized: true,
  rolling: true,
  cookie: { maxAge: 60000 },
  store: new RedisStore({ client, prefix: 'sid:' })
}))

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

app.get('/', (req, res) => {
  const { userName, id, cookie } = req.session
  if (!userName) return res.redirect('login')
  res.send(`<h1>Hello, ${escaped(userName)}!</h1><p>SESSION ID : ${escaped(id)}</p>` +
    `<p>Expire on after ${cookie.maxAge / 1000}s</p><a href="/delete-session">Logout</a>`)
})
app.get('/login', (req, res) => {
  if (req.session.userName) return res.redirect('/')
  res.send('<h1>Login</h1><form action="/save-session"><input name="userName"><input type="submit"></form>')
})
app.get('/save-session', (req, res) => {
  if (req.query.userName) req.session.userName = req.query.userName
  res.redirect('/')
})
app.get('/delete-session', (req, res) => {
  delete req.session.userName
  res.redirect('/')
})

const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
process.stdin.on('end', () => process.exit()).resume()
