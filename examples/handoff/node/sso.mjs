// A partner's page: it knows who the user is, makes a token that says so, and sends
// the browser back to the application with it. Nothing but Node is needed.
//
// It listens on HANDOFF_LISTEN (127.0.0.1:8000 unless set). README.md says what to set.
import { createCipheriv, createHmac, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

const env = process.env
const legacy = env.HANDOFF_FORM === 'legacy'
const key = octets('HANDOFF_KEY')
const macKey = octets('HANDOFF_MAC_KEY')
const partner = env.HANDOFF_PARTNER ?? ''
const audience = env.HANDOFF_AUDIENCE ?? ''
const userFrom = env.HANDOFF_USER_FROM ?? ''
const nameFrom = env.HANDOFF_NAME_FROM ?? ''
const app = (env.HANDOFF_APP ?? '').replace(/\/$/, '')

if (!app || !/^(address|(header|fixed):.+)$/.test(userFrom)) {
  throw new Error('HANDOFF_APP is not set, or HANDOFF_USER_FROM is not header:NAME, fixed:NAME or address (only a web server knows a remote-user: let it send a header)')
}
if (!legacy && env.HANDOFF_FORM !== 'modern') throw new Error('HANDOFF_FORM is neither legacy nor modern')
if (legacy && (key.length < 16 || key.length > 56 || macKey.length < 16)) {
  throw new Error('HANDOFF_KEY is not 16 to 56 bytes in hex, or HANDOFF_MAC_KEY is not 16 or more')
}
if (!legacy && (key.length !== 32 || !partner || !audience)) {
  throw new Error('HANDOFF_KEY is not 32 bytes in hex, or HANDOFF_PARTNER or HANDOFF_AUDIENCE is not set')
}

const goodUser = /^[^\s\p{C}\ufffd|]{1,128}$/u
const goodName = /^[^\p{C}\ufffd|]{1,64}$/u
const goodAddress = /^[!-~]+$/ // no line break gets into a header
const headers = { 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', 'Content-Type': 'text/plain; charset=utf-8' }

function page(request, response) {
  const [path, query] = request.url.split('?', 2)
  if (path !== '/sso') return response.writeHead(404, headers).end('There is no such page.\n')
  if (request.method !== 'GET') return response.writeHead(405, { ...headers, Allow: 'GET' }).end('This page is only opened by a link.\n')
  const user = lookUp(request, userFrom).split('\\').pop().toLowerCase() // HOSPITAL\Alice is alice
  if (!goodUser.test(user)) {
    return response.writeHead(403, headers).end('We do not know who you are. Sign in to the intranet first, or ask your service desk.\n')
  }
  let name = lookUp(request, nameFrom)
  if (!goodName.test(name)) name = ''
  // Never anywhere but to the application: whoever has a token is the user.
  let to = new URLSearchParams(query).get('return_to') ?? ''
  if (!to.startsWith(app + '/') || !goodAddress.test(to)) to = app + '/'
  to = to.split('#')[0]
  to += (to.includes('?') ? '&' : '?') + new URLSearchParams(token(user, name))
  response.writeHead(302, { ...headers, Location: to }).end()
}

// Finds out who asks. CHANGE it if your page knows that in another way; the name of a
// user must never belong to somebody else later.
function lookUp(request, source) {
  const [kind, ...rest] = source.split(':')
  const argument = rest.join(':')
  switch (kind) {
    case 'header': // Node reads the octets of a header as characters
      return Buffer.from(String(request.headers[argument.toLowerCase()] ?? ''), 'latin1').toString('utf8')
    case 'fixed':
      return argument
    case 'address':
      return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    default:
      return ''
  }
}

function token(user, name) {
  const now = Math.floor(Date.now() / 1000)
  if (legacy) {
    const iv = randomBytes(8)
    const cipher = createCipheriv('bf-cbc', key, iv) // pads itself; needs node --openssl-legacy-provider
    const text = Buffer.concat([iv, cipher.update(`${now}|${user}|${name}`, 'utf8'), cipher.final()]).toString('base64url')
    return { token: text, mac: createHmac('sha256', macKey).update(text).digest('hex') }
  }
  const text = JSON.stringify({ ts: now, sub: user, name, aud: audience, jti: randomBytes(16).toString('base64url') })
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(`${partner}\n${audience}`))
  return { token: Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url') }
}

function octets(name) {
  const hex = env[name] ?? ''
  if (!/^([0-9a-f]{2})*$/i.test(hex)) throw new Error(`${name} is not hex`) // Buffer.from would cut it off
  return Buffer.from(hex, 'hex')
}

const [, host, port] = /^(.*):(\d+)$/.exec(env.HANDOFF_LISTEN ?? '127.0.0.1:8000')
createServer(page).listen(port, host)
