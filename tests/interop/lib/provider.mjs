// The provider's endpoints by hand, so that also wrong requests can be made.
import * as openid from 'openid-client';

import { ok } from './report.mjs';
import { Walker, callbackOf, exchange, postForm } from './walker.mjs';

export const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
export const headerOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
export const jsonOf = (answer) => { try { return JSON.parse(answer.text); } catch { return {}; } };

/** One application at one provider. `filled` are the form fields that sign its person in. */
export class Application {
  constructor({ issuer, clientId, clientSecret, redirectUri, filled, hint = {}, scope = 'openid profile email offline_access' }) {
    Object.assign(this, { issuer, clientId, clientSecret, redirectUri, filled, hint, scope });
  }

  async discover() {
    this.library = await openid.discovery(new URL(this.issuer), this.clientId, { client_secret: this.clientSecret, id_token_signed_response_alg: 'ES256' }, openid.ClientSecretBasic(this.clientSecret), {
      execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
    });
    this.metadata = this.library.serverMetadata();
    return this;
  }

  /** An authorization request with PKCE; what is undefined in `changes` is left out. */
  async request(changes = {}) {
    const verifier = openid.randomPKCECodeVerifier();
    const [state, nonce] = [openid.randomState(), openid.randomNonce()];
    const url = new URL(this.metadata.authorization_endpoint);
    const parameters = {
      client_id: this.clientId,
      response_type: 'code',
      redirect_uri: this.redirectUri,
      scope: this.scope,
      state,
      nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...this.hint,
      ...changes,
    };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value);
    return { url: url.href, verifier, state, nonce };
  }

  /** Signs in and gives back the callback's URL. */
  async authorize(walker, changes) {
    const request = await this.request(changes);
    const at = await walker.walk(request.url, this.filled, callbackOf(this.redirectUri));
    ok(at.stopped, `the sign-in ended on a page: ${at.page?.status} ${at.page && at.page.text.match(/<h1[^>]*>([^<]*)/)?.[1]}`);
    return { ...request, callback: new URL(at.stopped) };
  }

  /** A whole sign-in through the library, which checks state, nonce, iss, signature and PKCE. */
  async signIn(walker = new Walker(), changes = {}) {
    const { callback, verifier, state, nonce } = await this.authorize(walker, changes);
    const tokens = await openid.authorizationCodeGrant(this.library, callback, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    return { walker, tokens, callback, claims: tokens.claims() };
  }

  /** What `prompt=none` answers: the callback's parameters. */
  async silently(walker, changes = {}) {
    const { url } = await this.request({ prompt: 'none', scope: 'openid', ...changes });
    const at = await walker.open(url, callbackOf(this.redirectUri));
    ok(at.stopped, `prompt=none showed a page (${at.page?.status})`);
    return new URL(at.stopped).searchParams;
  }

  basic(clientId = this.clientId, clientSecret = this.clientSecret) {
    return { authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}` };
  }

  token(fields, headers = this.basic()) {
    return postForm(this.metadata.token_endpoint, fields, headers);
  }

  redeem({ callback, verifier }, changes = {}, headers) {
    const fields = { grant_type: 'authorization_code', code: callback.searchParams.get('code'), redirect_uri: this.redirectUri, code_verifier: verifier, ...changes };
    return this.token(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)), headers);
  }

  refresh(token) {
    return this.token({ grant_type: 'refresh_token', refresh_token: token });
  }

  async introspect(token, headers = this.basic()) {
    return postForm(this.metadata.introspection_endpoint, { token }, headers);
  }

  async isActive(token) {
    return jsonOf(await this.introspect(token)).active === true;
  }

  revoke(token) {
    return postForm(this.metadata.revocation_endpoint, { token }, this.basic());
  }

  userinfo(token) {
    return exchange(this.metadata.userinfo_endpoint, { headers: { authorization: `Bearer ${token}` } });
  }
}

/** The OAuth error that an answer has to be. */
export function refusedWith(answer, status, error) {
  const said = jsonOf(answer).error;
  ok(answer.status === status && said === error, `wanted ${status} ${error}, got ${answer.status} ${said ?? answer.text.slice(0, 80)}`);
}
