// An identity provider of npm samlp on Node's own server: a login page around its middleware, nothing of SAML of our own.
import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import http from 'node:http';

const require = createRequire(import.meta.url);
const samlp = require('samlp');
const SessionParticipants = require('samlp/lib/sessionParticipants');

export const VERSION = require('samlp/package.json').version;
const DEFLATED = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';

export class SamlpProvider {
  #sessions = new Map();
  #server;

  constructor(port, { key, certificate }, people) {
    this.port = port;
    this.url = `http://idp.localhost:${port}`;
    this.issuer = `${this.url}/samlp`;
    this.people = people;
    this.keys = { key, cert: certificate };
    /** Settings of `samlp.auth` that a check changes. */
    this.settings = {};
  }

  set(settings) {
    this.settings = settings;
  }

  /** Who we are to it: addresses, and the certificate by which it verifies what we send. */
  trust(serviceProvider) {
    this.serviceProvider = serviceProvider;
  }

  async start() {
    this.#server = http.createServer((request, response) => this.#answer(request, response).catch((error) => failed(response, error)));
    await new Promise((resolve, reject) => this.#server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
  }

  close() {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  metadata() {
    return new Promise((resolve) => {
      const answer = { set() {}, send: resolve };
      samlp.metadata({
        issuer: this.issuer, cert: this.keys.cert, redirectEndpointPath: '/sso', postEndpointPath: '/sso',
        logoutEndpointPaths: { redirect: '/slo', post: '/slo' },
      })({ headers: { host: new URL(this.url).host }, protocol: 'http', originalUrl: '/metadata' }, answer);
    });
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    const cookie = request.headers.cookie?.match(/provider=([\w-]+)/)?.[1];
    let body = '';
    for await (const chunk of request) body += chunk;
    const name = this.#sessions.has(cookie) ? cookie : randomBytes(24).toString('base64url');
    const session = this.#sessions.get(name) ?? { participants: [] };
    this.#sessions.set(name, session);
    // What samlp expects of express.
    Object.assign(request, { query: Object.fromEntries(url.searchParams), body: Object.fromEntries(new URLSearchParams(body)), session, protocol: 'http', originalUrl: request.url });
    response.setHeader('set-cookie', `provider=${name}; Path=/; HttpOnly`);
    Object.assign(response, {
      set: (header, value) => response.setHeader(header, value),
      send: (text) => (typeof text === 'number' ? page(response, text, text === 200 ? 'Signed out' : 'Refused') : response.end(text)),
      redirect: (target) => response.writeHead(302, { location: target }).end(),
    });
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /sso': case 'POST /sso': return this.#sso(request, response);
      case 'POST /password': return this.#password(request, response);
      case 'GET /slo': case 'POST /slo': return this.#slo(request, response);
      default: return page(response, 404, 'Not here');
    }
  }

  #sso(request, response) {
    const { session } = request;
    if (session.person) return this.#assert(request, response);
    session.waiting = { method: request.method, query: request.query, body: request.body };
    return page(response, 200, 'The company\'s sign-in', '<form method="post" action="/password"><input name="username"><input name="password" type="password"><button type="submit">Sign in</button></form>');
  }

  #password(request, response) {
    const { session, body } = request;
    const person = this.people.find(({ username, password }) => username === body.username && password === body.password);
    if (!person || !session.waiting) return page(response, 403, 'Wrong name or password');
    Object.assign(session, { person });
    const { method, query, body: asked } = session.waiting;
    return this.#assert(Object.assign(request, { method, query, body: asked }), response);
  }

  #assert(request, response) {
    const { session } = request;
    const { entityId, acsUrl, sloUrl, certificate } = this.serviceProvider;
    const { id, email, givenName, familyName } = session.person;
    const sessionIndex = `_${createHash('sha256').update(randomBytes(16)).digest('hex').slice(0, 20)}`;
    const nameIdFormat = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
    session.participants.push({ serviceProviderId: entityId, sessionIndex, nameId: id, nameIdFormat, serviceProviderLogoutURL: sloUrl, cert: certificate, binding: DEFLATED });
    samlp.auth({
      ...this.keys,
      issuer: this.issuer,
      signingCert: certificate,
      sessionIndex,
      recipient: acsUrl,
      destination: acsUrl,
      authnContextClassRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
      getUserFromRequest: () => ({ id, emails: [{ value: email }], displayName: `${givenName} ${familyName}`, name: { givenName, familyName } }),
      getPostURL: (audience, dom, asked, answer) => answer(null, audience === entityId ? acsUrl : undefined),
      nameIdentifierFormat: nameIdFormat,
      ...this.settings,
    })(request, response, (error) => failed(response, error));
  }

  #slo(request, response) {
    const { session } = request;
    samlp.logout({
      ...this.keys,
      issuer: this.issuer,
      deflate: true,
      protocolBinding: DEFLATED,
      signatureAlgorithm: 'rsa-sha256',
      digestAlgorithm: 'sha256',
      sessionParticipants: new SessionParticipants(session.participants),
      clearIdPSession: (done) => {
        delete session.person;
        done();
      },
    })(request, response, (error) => failed(response, error));
  }
}

function page(response, status, title, text = '') {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign-in</title><h1>${title}</h1>${text}</html>`);
}

function failed(response, error) {
  page(response, 400, 'samlp refuses', String(error?.message ?? error).replace(/[<&]/g, ' '));
}
