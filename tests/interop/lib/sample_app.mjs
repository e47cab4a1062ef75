// A small app on npm openid-client: it signs people in, keeps a session of its own, and ends it when told.
import { randomBytes } from 'node:crypto';
import http from 'node:http';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as openid from 'openid-client';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** Its addresses, which have to be registered before it knows its client id. */
export class SampleApp {
  #waiting = new Map();
  #sessions = new Map();
  #seen = new Set();
  #provider;
  #server;

  constructor(port, host = 'app.localhost') {
    this.port = port;
    this.url = `http://${host}:${port}`;
    this.redirectUri = `${this.url}/callback`;
    this.backchannelLogoutUri = `${this.url}/backchannel-logout`;
    /** Logout tokens that were accepted: when, and which claims. */
    this.logouts = [];
    /** Logout tokens that were refused, and why. */
    this.refusals = [];
    /** The claims of the newest sign-in. */
    this.lastClaims = undefined;
  }

  registration(name) {
    return {
      name,
      redirect_uris: [this.redirectUri],
      post_logout_redirect_uris: [`${this.url}/`],
      backchannel_logout_uri: this.backchannelLogoutUri,
    };
  }

  async start(issuer, { client_id, client_secret }) {
    // Without the second setting this library checks no signature of an ID token in the code flow.
    this.#provider = await openid.discovery(new URL(issuer), client_id, { client_secret, id_token_signed_response_alg: 'ES256' }, openid.ClientSecretBasic(client_secret), {
      execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
    });
    this.#server = http.createServer((request, response) => {
      this.#answer(request).catch((error) => ({ status: 400, text: page('Not signed in', String(error.cause?.message ?? error.message).replace(/[<&]/g, ' ')) }))
        .then(({ status = 200, text = '', headers = {} }) => {
          response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', ...headers });
          response.end(text);
        });
    });
    await new Promise((resolve, reject) => this.#server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
  }

  close() {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #answer(request) {
    const url = new URL(request.url, this.url);
    const cookies = Object.fromEntries((request.headers.cookie ?? '').split('; ').map((pair) => pair.split('=')));
    let body = '';
    for await (const chunk of request) body += chunk;
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /': return this.#home(cookies);
      case 'GET /login': return this.#login(url);
      case 'GET /callback': return this.#callback(url, cookies);
      case 'GET /logout': return this.#logout(cookies);
      case 'POST /backchannel-logout': return this.#backchannelLogout(body);
      default: return { status: 404, text: page('Not here') };
    }
  }

  #home({ app_session }) {
    const claims = this.#sessions.get(app_session)?.claims;
    if (!claims) return { text: page('Signed out', '<a href="/login">Sign in</a>') };
    return { text: page(`Hello, ${claims.name ?? claims.sub}`, 'You are signed in.') };
  }

  async #login(url) {
    const [verifier, state, nonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()];
    this.#waiting.set(state, { verifier, nonce });
    const target = openid.buildAuthorizationUrl(this.#provider, {
      redirect_uri: this.redirectUri,
      scope: 'openid profile email',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...Object.fromEntries(url.searchParams),
    });
    return { status: 303, headers: { location: target.href, 'set-cookie': `app_login=${state}; Path=/; HttpOnly; SameSite=Lax` } };
  }

  async #callback(url, { app_login: state }) {
    const waiting = this.#waiting.get(state);
    if (!waiting) throw new Error('no login is under way in this browser');
    this.#waiting.delete(state);
    const tokens = await openid.authorizationCodeGrant(this.#provider, url, {
      pkceCodeVerifier: waiting.verifier,
      expectedState: state,
      expectedNonce: waiting.nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    await openid.fetchUserInfo(this.#provider, tokens.access_token, claims.sub);
    const session = randomBytes(24).toString('base64url');
    this.#sessions.set(session, { claims, idToken: tokens.id_token });
    this.lastClaims = claims;
    return { status: 303, headers: { location: '/', 'set-cookie': `app_session=${session}; Path=/; HttpOnly; SameSite=Lax` } };
  }

  /** OpenID Connect RP-Initiated Logout 1.0 §2: the app's own session ends first. */
  #logout({ app_session }) {
    const idToken = this.#sessions.get(app_session)?.idToken;
    this.#sessions.delete(app_session);
    const target = openid.buildEndSessionUrl(this.#provider, {
      post_logout_redirect_uri: `${this.url}/`,
      ...(idToken && { id_token_hint: idToken }),
    });
    return { status: 303, headers: { location: target.href } };
  }

  /** OpenID Connect Back-Channel Logout 1.0 §2.6. */
  async #backchannelLogout(body) {
    const at = performance.now();
    try {
      const { issuer, jwks_uri } = this.#provider.serverMetadata();
      const { payload } = await jwtVerify(new URLSearchParams(body).get('logout_token') ?? '', createRemoteJWKSet(new URL(jwks_uri)), {
        issuer,
        audience: this.#provider.clientMetadata().client_id,
        typ: 'logout+jwt',
        requiredClaims: ['iat', 'exp', 'jti', 'events'],
        maxTokenAge: 300,
      });
      if (typeof payload.events?.[EVENT] !== 'object') throw new Error('the token has no logout event');
      if ('nonce' in payload) throw new Error('the token has a nonce');
      if (!payload.sub && !payload.sid) throw new Error('the token names nobody');
      if (this.#seen.has(payload.jti)) throw new Error('the token was used before');
      this.#seen.add(payload.jti);
      for (const [session, { claims }] of this.#sessions) {
        if ((!payload.sub || claims.sub === payload.sub) && (!payload.sid || claims.sid === payload.sid)) this.#sessions.delete(session);
      }
      this.logouts.push({ at, payload });
      return { status: 200 };
    } catch (error) {
      this.refusals.push(error.message);
      return { status: 400, headers: { 'content-type': 'application/json' }, text: JSON.stringify({ error: 'invalid_request', error_description: error.message }) };
    }
  }
}

const page = (title, text = '') => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sample app</title>
<style>body{font:16px/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem}</style>
<h1>${title.replace(/[<&]/g, ' ')}</h1><p>${text}</p></html>`;
