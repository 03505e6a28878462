// An OpenID Connect provider for tests: a real one, with people to sign in as.
//
//   node op.mjs '{"port": 18080, "redirect_uris": ["http://127.0.0.1:8080/sso/callback/op"]}'
//
// Options, all of them optional:
//   port                       0 or none: a free one
//   title                      on the sign-in page, to tell two providers apart
//   redirect_uris              of every client
//   post_logout_redirect_uris  of every client
//   backchannel_logout_uri     of every client
//   jwks, jwks_uri             public keys of the client foregate-key
//   users                      name → {password, and the claims}
//   access_token_ttl           seconds, 60
//   id_token_ttl               seconds, 300
//   entra                      a tenant ID: be below /TENANT/v2.0 and say tid, oid, groups and xms_edov
//                              for the scope openid, as Entra ID can; each of users has an oid then
//   token_delay                milliseconds that each answer of the token endpoint takes
//   lifeline                   true: obey standard input, and stop when it ends
//
// Clients: foregate (client_secret_basic), foregate-post (client_secret_post),
// both with the secret "secret", and foregate-key (private_key_jwt).
// When ready it prints one line, {"issuer": …}. On SIGHUP it signs with a new
// key, still publishes the old one, and prints {"rotated": …}. On SIGTERM it ends.
//
// A line on standard input is an order, answered by {"done": …}:
//   {"user": "alice", "claims": {"groups": []}}  changes what is said of a person
//   {"revoke": "alice"}                          takes back all that they granted
//   {"token_delay": 2000}                        as the option
//   {"count": true}                              says how often tokens were renewed
import http from 'node:http';
import readline from 'node:readline';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const options = {
  port: 0,
  title: 'Test Hospital',
  redirect_uris: ['http://127.0.0.1:8080/callback'],
  access_token_ttl: 60,
  id_token_ttl: 300,
  token_delay: 0,
  post_logout_redirect_uris: [],
  users: {
    alice: { password: 'pw-a', email: 'alice@example.test', email_verified: true, name: 'Alice Archer', groups: ['staff', 'admins'] },
    bob: { password: 'pw-b', email: 'bob@example.test', email_verified: false, name: 'Bob Baker', groups: ['guests'] },
  },
  ...JSON.parse(process.argv[2] ?? '{}'),
};
const base = options.entra ? `/${options.entra}/v2.0` : '';
const scopes = 'openid offline_access email profile groups';
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const cookieKeys = [randomUUID()];
let keys = [newKey()];

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

function page(title, body) {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
  body { font: 1.0625rem/1.5 system-ui, sans-serif; background: #eef1f4; color: #1c2733; display: grid; place-items: center; min-height: 100vh; margin: 0 }
  main { background: #fff; padding: 2rem; border-radius: .5rem; box-shadow: 0 1px 4px #0003; width: min(22rem, 85vw) }
  h1 { font-size: 1.375rem; margin: 0 0 1rem }
  label { display: block; margin-top: .75rem }
  input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; border: 1px solid #5b6b7b; border-radius: .25rem }
  button { font: inherit; margin-top: 1.25rem; padding: .5rem 1.25rem; border: 0; border-radius: .25rem; background: #0b5394; color: #fff; cursor: pointer }
  [role=alert] { color: #a3121f; margin: 0 }
</style></head><body><main><h1>${escape(title)}</h1>${body}</main></body></html>`;
}

const signInPage = (problem, user = '') => page(options.title, `
${problem ? `<p role="alert">${escape(problem)}</p>` : ''}
<form method="post">
  <label for="user">User name</label><input id="user" name="user" value="${escape(user)}" autocomplete="username" required autofocus>
  <label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
  <button>Sign in</button>
</form>`);

const signOutPage = (form) => page(`Sign out of ${options.title}?`, `${form}
<button autofocus type="submit" form="op.logoutForm" name="logout" value="yes">Yes, sign out</button>`);

// The store of its own that each Provider has would forget everybody at a key rotation.
const stored = new Map();
const live = (entry) => (entry && (!entry.until || entry.until > Date.now()) ? entry.payload : undefined);
function find(model, matches) {
  for (const [key, entry] of stored) if (key.startsWith(`${model}:`) && matches(entry.payload)) return live(entry);
  return undefined;
}
const adapter = (model) => ({
  async upsert(id, payload, ttl) { stored.set(`${model}:${id}`, { payload, until: ttl && Date.now() + ttl * 1000 }); },
  async find(id) { return live(stored.get(`${model}:${id}`)); },
  async findByUid(uid) { return find(model, (p) => p.uid === uid); },
  async findByUserCode(code) { return find(model, (p) => p.userCode === code); },
  async consume(id) { stored.get(`${model}:${id}`).payload.consumed = Math.floor(Date.now() / 1000); },
  async destroy(id) { stored.delete(`${model}:${id}`); },
  async revokeByGrantId(grant) { for (const [key, e] of stored) if (e.payload.grantId === grant) stored.delete(key); },
});

function clients() {
  const all = {
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: options.redirect_uris,
    post_logout_redirect_uris: options.post_logout_redirect_uris,
    ...(options.backchannel_logout_uri && {
      backchannel_logout_uri: options.backchannel_logout_uri, backchannel_logout_session_required: true,
    }),
  };
  const list = [
    { ...all, client_id: 'foregate', client_secret: 'secret', token_endpoint_auth_method: 'client_secret_basic' },
    { ...all, client_id: 'foregate-post', client_secret: 'secret', token_endpoint_auth_method: 'client_secret_post' },
  ];
  const { jwks, jwks_uri } = options;
  if (jwks || jwks_uri) {
    list.push({ ...all, client_id: 'foregate-key', token_endpoint_auth_method: 'private_key_jwt', ...(jwks ? { jwks } : { jwks_uri }) });
  }
  return list;
}

function configuration() {
  return {
    jwks: { keys },
    adapter,
    clients: clients(),
    pkce: { required: () => true },
    scopes: scopes.split(' '),
    claims: { openid: options.entra ? ['sub', 'tid', 'oid', 'groups', 'xms_edov'] : ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'], groups: ['groups'] },
    conformIdTokenClaims: false, // the claims of the scopes go into the ID token too
    async findAccount(_, id) {
      const { password, ...claims } = options.users[id] ?? {};
      return password && { accountId: id, claims: () => ({ sub: id, ...(options.entra && { tid: options.entra, xms_edov: true }), ...claims }) };
    },
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    async loadExistingGrant({ oidc }) { // nobody is asked for consent
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(scopes);
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource(ctx, form) { ctx.body = signOutPage(form); } },
    },
    interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
    fetch: (url, { dispatcher, ...rest }) => fetch(url, rest), // the library's own refuses loopback targets
    cookies: { keys: cookieKeys },
    ttl: { AccessToken: options.access_token_ttl, IdToken: options.id_token_ttl, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600, AuthorizationCode: 60 },
  };
}

function build(issuer) {
  const provider = new Provider(issuer, configuration());
  for (const event of ['server_error', 'authorization.error', 'grant.error', 'backchannel.error']) {
    provider.on(event, (...args) => console.error(event, String(args.find((a) => a instanceof Error))));
  }
  provider.on('grant.success', (ctx) => { if (ctx.oidc.params.grant_type === 'refresh_token') renewals += 1; });
  const standard = provider.callback();
  return async (req, res) => {
    try {
      req.originalUrl = req.url; // from which the provider takes where it is
      if (base && req.url.startsWith(`${base}/`)) req.url = req.url.slice(base.length);
      if (options.token_delay && req.url.startsWith('/token')) await new Promise((done) => setTimeout(done, options.token_delay));
      if (req.url.startsWith('/login/')) await interact(provider, req, res);
      else standard(req, res);
    } catch (err) {
      res.writeHead(400, { 'content-type': 'text/html' }).end(page('That did not work', `<p>${escape(err.message)}</p>`));
    }
  };
}

async function interact(provider, req, res) {
  const details = await provider.interactionDetails(req, res);
  if (details.prompt.name === 'consent') {
    const grant = new provider.Grant({ clientId: details.params.client_id, accountId: details.session.accountId });
    grant.addOIDCScope(scopes);
    return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  }
  res.setHeader('content-type', 'text/html; charset=utf-8');
  if (req.method === 'GET') return res.end(signInPage('', details.params.login_hint));
  const form = new URLSearchParams(await body(req));
  const user = form.get('user');
  if (!Object.hasOwn(options.users, user) || options.users[user].password !== form.get('password')) {
    res.statusCode = 401;
    return res.end(signInPage('User name or password is wrong.', user));
  }
  return provider.interactionFinished(req, res, { login: { accountId: user, amr: ['pwd'] } }, { mergeWithLastSubmission: false });
}

async function body(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return text;
}

let renewals = 0;
function obey(order) {
  if (order.user) Object.assign(options.users[order.user], order.claims);
  if (order.token_delay !== undefined) options.token_delay = order.token_delay;
  if (order.revoke) {
    for (const [key, entry] of stored) if (entry.payload.accountId === order.revoke && !key.startsWith('Session:')) stored.delete(key);
  }
  return order.count ? renewals : 0;
}

let handler;
const server = http.createServer((req, res) => handler(req, res));
server.listen(options.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}${base}`;
  handler = build(issuer);
  process.on('SIGHUP', () => {
    keys = [newKey(), ...keys];
    handler = build(issuer);
    say({ rotated: keys[0].kid });
  });
  say({ issuer });
});
process.on('SIGTERM', () => process.exit(0));
if (options.lifeline) {
  readline.createInterface({ input: process.stdin })
    .on('line', (line) => say({ done: String(obey(JSON.parse(line))) }))
    .on('close', () => process.exit(0));
}
