// What modules of the OpenID conformance suite ask of a provider and our other checks do not; tests/README.md has the whole table.
import { jsonOf } from '../lib/provider.mjs';
import { equal, ok } from '../lib/report.mjs';
import { Walker, callbackOf, formsOf, postForm } from '../lib/walker.mjs';

/** Requests that a provider has to take, and what they bring. */
export async function checkRequests(report, application) {
  const stop = callbackOf(application.redirectUri);
  await report.check('authorize: by POST (oidcc-ensure-post-request-succeeds)', async () => {
    const { url, state } = await application.request();
    const walker = new Walker();
    const form = { method: 'POST', body: new URL(url).searchParams.toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    let at = await walker.follow(await walker.request(application.metadata.authorization_endpoint, form), stop);
    for (let step = 0; step < 8 && !at.stopped && formsOf(at.page).length > 0; step += 1) at = await walker.submit(at.page, application.filled, stop);
    ok(at.stopped, `a page: ${at.page?.status}`);
    const answer = new URL(at.stopped).searchParams;
    ok(answer.get('code'), `${answer.get('error')}`);
    equal(answer.get('state'), state, 'state');
  });
  await report.check('authorize: without a nonce, and none in the ID token (oidcc-ensure-request-without-nonce-succeeds-for-code-flow)', async () => {
    const answer = await application.redeem(await application.authorize(new Walker(), { nonce: undefined }));
    const claims = JSON.parse(Buffer.from(jsonOf(answer).id_token.split('.')[1], 'base64url'));
    ok(!('nonce' in claims), 'a nonce');
  });
  const { walker, tokens, claims } = await application.signIn();
  const takes = (module, changes) => report.check(`authorize: ${Object.entries(changes).map(([name, value]) => `${name}=${value}`).join(' ')} (${module})`, async () => {
    const answer = (await application.authorize(walker, changes)).callback.searchParams;
    ok(answer.get('code'), `${answer.get('error')}`);
  });
  await takes('oidcc-display-page', { display: 'page' });
  await takes('oidcc-display-popup', { display: 'popup' });
  await takes('oidcc-claims-locales', { claims_locales: 'se' });
  await takes('oidcc-ensure-request-with-acr-values-succeeds', { acr_values: '1 2' });
  await takes('oidcc-ensure-request-with-unknown-parameter-succeeds', { extra: 'foobar' });
  await takes('oidcc-scope-address, oidcc-scope-phone', { scope: 'openid address phone' });
  await takes('oidcc-claims-essential', { claims: '{"userinfo":{"name":{"essential":true}}}' });
  await report.check('authorize: parameters and scopes in another order (oidcc-alternate-happy-flow)', async () => {
    const { url } = await application.request({ scope: 'offline_access email profile openid' });
    const turned = new URL(url);
    turned.search = new URLSearchParams([...new URL(url).searchParams].reverse()).toString();
    const at = await walker.open(turned.href, stop);
    ok(at.stopped && new URL(at.stopped).searchParams.get('code'), 'no code');
  });
  await report.check('authorize: prompt=none with our id_token_hint, the same sub and auth_time (oidcc-id-token-hint)', async () => {
    const again = await application.signIn(walker, { prompt: 'none', id_token_hint: tokens.id_token });
    equal(again.claims.sub, claims.sub, 'sub');
    equal(again.claims.auth_time, claims.auth_time, 'auth_time');
  });
  await report.check('userinfo: by POST with the token in the header (oidcc-userinfo-post-header)', async () => {
    const answer = await postForm(application.metadata.userinfo_endpoint, {}, { authorization: `Bearer ${tokens.access_token}` });
    equal(answer.status, 200, 'status');
    equal(jsonOf(answer).sub, claims.sub, 'sub');
  });
}

/** RP-Initiated Logout 1.0: where a browser is led back, and where it is not. */
export async function checkLogouts(report, application, postLogoutRedirectUri) {
  const logout = async (parameters) => {
    const { walker, tokens } = await application.signIn(new Walker(), { scope: 'openid' });
    const url = new URL(application.metadata.end_session_endpoint);
    for (const [name, value] of Object.entries(parameters(tokens.id_token))) url.searchParams.set(name, value);
    const stop = callbackOf(postLogoutRedirectUri);
    let at = await walker.open(url.href, stop);
    const asked = !at.stopped && at.page.status === 200 && formsOf(at.page).some(({ method }) => method === 'post');
    if (asked) at = await walker.submit(at.page, {}, stop);
    const silent = await application.silently(walker);
    return { at, asked, over: silent.get('error') === 'login_required' };
  };
  const back = (name, parameters, state) => report.check(`logout: ${name}`, async () => {
    const { at, over } = await logout(parameters);
    ok(at.stopped, `stayed at ${at.page?.status}`);
    equal(new URL(at.stopped).searchParams.get('state'), state, 'state');
    ok(over, 'still signed in');
  });
  const here = (name, parameters) => report.check(`logout: ${name}`, async () => {
    const { at, over } = await logout(parameters);
    ok(!at.stopped, 'led to the application');
    equal(at.page.status, 200, 'status');
    ok(over, 'still signed in');
  });
  const nowhere = (name, parameters) => report.check(`logout: ${name}`, async () => {
    const { at, asked } = await logout(parameters);
    ok(!at.stopped, 'led to the application');
    ok(asked || at.page.status === 400, `neither asked nor refused: ${at.page.status}`);
  });
  const to = { post_logout_redirect_uri: postLogoutRedirectUri };
  await back('without a state, back without one (oidcc-rp-initiated-logout-no-state)', (hint) => ({ ...to, id_token_hint: hint }), null);
  await here('without a return address, over on our page (oidcc-rp-initiated-logout-no-post-logout-redirect-uri)', (hint) => ({ id_token_hint: hint, state: 's' }));
  await here('only a state, asked and over (oidcc-rp-initiated-logout-only-state)', () => ({ state: 's' }));
  await here('without parameters, asked and over (oidcc-rp-initiated-logout-no-params)', () => ({}));
  await nowhere('without a hint, not led back unasked (oidcc-rp-initiated-logout-no-id-token-hint)', () => ({ ...to, state: 's' }));
  await nowhere('the return address with a query added (oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri)', (hint) => ({ id_token_hint: hint, post_logout_redirect_uri: `${postLogoutRedirectUri}?foo=bar` }));
  await nowhere('a hint without a signature (oidcc-rp-initiated-logout-modified-id-token-hint)', (hint) => ({ ...to, id_token_hint: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${hint.split('.')[1]}.` }));
  await nowhere('a hint that is no token (oidcc-rp-initiated-logout-bad-id-token-hint)', () => ({ ...to, id_token_hint: 'bad' }));
}
