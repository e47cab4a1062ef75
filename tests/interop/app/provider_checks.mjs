// What npm openid-client, an independent relying party, sees of our OpenID Provider.
import http from 'node:http';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as openid from 'openid-client';

import { claimsOf, headerOf, jsonOf, refusedWith } from '../lib/provider.mjs';
import { equal, ok } from '../lib/report.mjs';
import { Walker, callbackOf, exchange, formsOf } from '../lib/walker.mjs';
import { eventually, sleep } from '../lib/workshop.mjs';

/** Where logout tokens arrive. */
export class LogoutListener {
  #tokens = [];

  constructor(port) {
    this.port = port;
    this.uri = `http://127.0.0.1:${port}/backchannel-logout`;
  }

  async start() {
    this.server = http.createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      this.#tokens.push(new URLSearchParams(body).get('logout_token'));
      response.writeHead(200).end();
    });
    await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
  }

  close() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** The verified claims of the logout token for this session (Back-Channel Logout 1.0 §2.4). */
  async token(application, sid) {
    const of = (token) => token && claimsOf(token).sid === sid;
    const token = await eventually('a logout token for the session', () => this.#tokens.find(of), { within: 5_000 });
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(application.metadata.jwks_uri)), {
      issuer: application.issuer,
      audience: application.clientId,
      typ: 'logout+jwt',
      requiredClaims: ['iat', 'exp', 'jti', 'events'],
    });
    ok(payload.events['http://schemas.openid.net/event/backchannel-logout'], 'the token has no logout event');
    ok(!('nonce' in payload), 'the token has a nonce');
    return payload;
  }
}

export async function checkDiscovery(report, application) {
  const { metadata } = application;
  await report.check('discovery: the issuer is ours, S256 only, RFC 9207 announced', () => {
    equal(metadata.issuer, application.issuer, 'issuer');
    equal(JSON.stringify(metadata.code_challenge_methods_supported), '["S256"]', 'PKCE methods');
    equal(metadata.authorization_response_iss_parameter_supported, true, 'iss parameter');
    for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'response_types_supported', 'subject_types_supported', 'id_token_signing_alg_values_supported', 'end_session_endpoint', 'introspection_endpoint', 'revocation_endpoint']) ok(metadata[name], `no ${name}`);
    equal(metadata.backchannel_logout_supported, true, 'back-channel logout');
  });
  await report.check('discovery: the document of RFC 8414 agrees', async () => {
    const other = jsonOf(await exchange(`${application.issuer}/.well-known/oauth-authorization-server`));
    for (const name of ['issuer', 'token_endpoint', 'jwks_uri']) equal(other[name], metadata[name], name);
  });
  await report.check('keys: public, asymmetric, with distinct ids', async () => {
    const { keys } = jsonOf(await exchange(metadata.jwks_uri));
    ok(keys.length > 0, 'no keys');
    equal(new Set(keys.map(({ kid }) => kid)).size, keys.length, 'distinct ids');
    for (const key of keys) ok(key.kid && key.kty !== 'oct' && !('d' in key) && !('p' in key) && !('k' in key), 'a private member');
    return keys.map(({ alg }) => alg).join(', ');
  });
}

/** The happy path and its claims; gives the sign-in back. */
export async function checkSignIn(report, application) {
  let first;
  const arrived = await report.check('code flow: PKCE, state, nonce, iss and signature hold', async () => {
    first = await application.signIn();
    ok(first.callback.searchParams.get('iss') === application.issuer, 'no iss in the callback');
  });
  if (!arrived) return undefined;
  const { tokens, claims, walker } = first;
  await report.check('ID token: claims of OpenID Connect Core and of IPSIE SL1', () => {
    ok(typeof claims.sub === 'string' && claims.sub.startsWith('usr_'), 'sub');
    ok(claims.exp - claims.iat === 300, `life of ${claims.exp - claims.iat} s`);
    equal(claims.aud, application.clientId, 'aud is one string');
    ok(claims.sid && claims.org_id, 'sid or org_id');
    ok(Number.isInteger(claims.auth_time) && Number.isInteger(claims.session_expiry), 'auth_time or session_expiry');
    ok(Array.isArray(claims.amr) && claims.amr.length > 0 && typeof claims.acr === 'string', 'amr or acr');
    return `${headerOf(tokens.id_token).alg}, amr ${claims.amr.join(' ')}, acr ${claims.acr}`;
  });
  await report.check('userinfo: the same sub, with the claims of the scopes', async () => {
    const person = await openid.fetchUserInfo(application.library, tokens.access_token, claims.sub);
    ok(person.email && person.name, 'email or name');
    equal(person.email_verified, true, 'email_verified');
  });
  await report.check('introspection: the access token is active, and for nobody without credentials', async () => {
    equal((await openid.tokenIntrospection(application.library, tokens.access_token)).active, true, 'active');
    equal((await application.introspect(tokens.access_token, {})).status, 401, 'status');
  });
  await report.check('prompt=none: a code with a session, login_required without', async () => {
    ok((await application.silently(walker)).get('code'), 'no code');
    equal((await application.silently(new Walker())).get('error'), 'login_required', 'error');
  });
  await report.check('prompt=login: asks again and moves auth_time', async () => {
    await sleep(1_100);
    const again = await application.signIn(walker, { prompt: 'login' });
    ok(again.claims.auth_time > claims.auth_time, 'auth_time did not move');
  });
  await report.check('max_age: an older sign-in is asked again', async () => {
    await sleep(2_100);
    const { callback } = await application.authorize(walker, { prompt: 'none', scope: 'openid', max_age: '1' });
    equal(callback.searchParams.get('error'), 'login_required', 'prompt=none');
    const again = await application.signIn(walker, { max_age: '1' });
    ok(Date.now() / 1000 - again.claims.auth_time < 5, 'auth_time is old');
  });
  return first;
}

export async function checkRefusals(report, application) {
  await report.check('code: used twice, refused, and its tokens are over', async () => {
    const code = await application.authorize(new Walker());
    const { access_token: token } = jsonOf(await application.redeem(code));
    ok(await application.isActive(token), 'the first use did not work');
    refusedWith(await application.redeem(code), 400, 'invalid_grant');
    ok(!(await application.isActive(token)), 'the access token lives on');
  });
  await report.check('code: wrong verifier, no verifier, wrong redirect URI, wrong secret', async () => {
    const walker = new Walker();
    refusedWith(await application.redeem(await application.authorize(walker), { code_verifier: 'x'.repeat(43) }), 400, 'invalid_grant');
    refusedWith(await application.redeem(await application.authorize(walker), { code_verifier: undefined }), 400, 'invalid_grant');
    refusedWith(await application.redeem(await application.authorize(walker), { redirect_uri: `${application.redirectUri}/` }), 400, 'invalid_grant');
    refusedWith(await application.redeem(await application.authorize(walker), {}, application.basic(application.clientId, 'wrong')), 401, 'invalid_client');
  });
  await report.check('authorize: no PKCE, plain PKCE, another response type: an error at the application', async () => {
    for (const changes of [{ code_challenge: undefined, code_challenge_method: undefined }, { code_challenge_method: 'plain' }, { response_type: 'token' }]) {
      const { url, state } = await application.request(changes);
      const at = await new Walker().open(url, callbackOf(application.redirectUri));
      ok(at.stopped, `a page: ${at.page?.status}`);
      const answer = new URL(at.stopped).searchParams;
      ok(['invalid_request', 'unsupported_response_type'].includes(answer.get('error')), `${answer.get('error')}`);
      equal(answer.get('state'), state, 'state');
    }
  });
  await report.check('authorize: an unknown client or redirect URI never leaves our page', async () => {
    for (const changes of [{ redirect_uri: `${application.redirectUri}.evil.test` }, { client_id: 'app_nobody' }]) {
      const at = await new Walker().open((await application.request(changes)).url);
      equal(at.page?.status, 400, 'status');
    }
  });
}

export async function checkTokens(report, application) {
  const { tokens, claims } = await application.signIn();
  let next;
  await report.check('refresh: new tokens, the same sub and auth_time, the refresh token rotates', async () => {
    next = await openid.refreshTokenGrant(application.library, tokens.refresh_token);
    ok(next.access_token !== tokens.access_token && next.refresh_token && next.refresh_token !== tokens.refresh_token, 'not rotated');
    if (next.id_token) {
      equal(next.claims().sub, claims.sub, 'sub');
      equal(next.claims().auth_time, claims.auth_time, 'auth_time');
    }
  });
  await report.check('refresh: a used token is refused, and with it the whole family is over', async () => {
    refusedWith(await application.refresh(tokens.refresh_token), 400, 'invalid_grant');
    refusedWith(await application.refresh(next.refresh_token), 400, 'invalid_grant');
    ok(!(await application.isActive(next.access_token)), 'the access token lives on');
    equal((await application.userinfo(next.access_token)).status, 401, 'userinfo');
  });
  await report.check('revocation: of a refresh token ends the grant, of an access token that one; an unknown one answers 200', async () => {
    const one = (await application.signIn()).tokens;
    await openid.tokenRevocation(application.library, one.refresh_token);
    refusedWith(await application.refresh(one.refresh_token), 400, 'invalid_grant');
    ok(!(await application.isActive(one.access_token)), 'the access token lives on');
    const two = (await application.signIn()).tokens;
    await openid.tokenRevocation(application.library, two.access_token);
    ok(!(await application.isActive(two.access_token)), 'the access token lives on');
    equal((await application.revoke('no-such-token')).status, 200, 'status');
  });
}

export async function checkLogout(report, application, listener, postLogoutRedirectUri) {
  await report.check('RP-initiated logout: back at the application with its state, session over, logout token sent', async () => {
    // Without offline_access: what survives the browser's session by request is not logged out with it.
    const { walker, tokens, claims } = await application.signIn(new Walker(), { scope: 'openid profile email' });
    const url = openid.buildEndSessionUrl(application.library, { id_token_hint: tokens.id_token, post_logout_redirect_uri: postLogoutRedirectUri, state: 'bye' });
    const stop = callbackOf(postLogoutRedirectUri);
    let at = await walker.open(url.href, stop);
    if (!at.stopped && formsOf(at.page).length > 0) at = await walker.submit(at.page, {}, stop);
    ok(at.stopped, `stayed at ${at.page?.status}`);
    equal(new URL(at.stopped).searchParams.get('state'), 'bye', 'state');
    equal((await application.silently(walker)).get('error'), 'login_required', 'the session');
    const payload = await listener.token(application, claims.sid);
    return `token names ${['sub', 'sid'].filter((name) => name in payload).join(' and ')}`;
  });
}

/** Deactivation over SCIM: nothing works from the answer on, and nothing comes back. */
export async function checkDeactivation(report, application, listener, scim, userId) {
  const { walker, tokens, claims } = await application.signIn();
  const pending = await application.authorize(walker);
  await scim.setActive(userId, false);
  await report.check('deactivated: access token, userinfo, refresh token, code and session are over at once', async () => {
    ok(!(await application.isActive(tokens.access_token)), 'the access token lives');
    equal((await application.userinfo(tokens.access_token)).status, 401, 'userinfo');
    refusedWith(await application.refresh(tokens.refresh_token), 400, 'invalid_grant');
    refusedWith(await application.redeem(pending), 400, 'invalid_grant');
    equal((await application.silently(walker)).get('error'), 'login_required', 'the session');
  });
  await report.check('deactivated: the logout token arrives', async () => {
    const payload = await listener.token(application, claims.sid);
    equal(payload.sub, claims.sub, 'sub');
  });
  await report.check('deactivated: a new sign-in is refused on our own page', async () => {
    const at = await new Walker().walk((await application.request()).url, application.filled, callbackOf(application.redirectUri));
    equal(at.page?.status, 403, 'status');
    return at.page.text.match(/<dt>Rule<\/dt><dd><code>([^<]*)/)?.[1];
  });
  await scim.setActive(userId, true);
  await report.check('reactivated: nothing old comes back', async () => {
    ok(!(await application.isActive(tokens.access_token)), 'the access token lives');
    refusedWith(await application.refresh(tokens.refresh_token), 400, 'invalid_grant');
    refusedWith(await application.redeem(pending), 400, 'invalid_grant');
    equal((await application.silently(walker)).get('error'), 'login_required', 'the session');
  });
  await report.check('reactivated: a fresh sign-in works', async () => { await application.signIn(); });
}
