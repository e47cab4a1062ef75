// A real Keycloak as the company's provider.
import { randomBytes } from 'node:crypto';

import { Keycloak } from '../keycloak/keycloak.mjs';
import { equal, ok } from '../lib/report.mjs';
import { Person, common, fired, secretOf } from './hall.mjs';

const CLIENTS = '/admin/realms/acme/clients';

export async function keycloak(hall) {
  const { report, workshop } = hall;
  const product = new Keycloak(workshop, await workshop.freePort());
  const version = await product.start(report);
  report.section(`Keycloak ${version}`);
  const { issuer } = product;
  const company = await hall.company('Keycloak', 'keycloak.test');
  const secret = secretOf(report);
  const password = report.hide(randomBytes(12).toString('base64url'));
  const basic = await company.connect('by secret', { issuer, client_id: 'vestibule', client_secret: secret });
  const keyed = await company.connect('by key', { issuer, client_id: 'keyed', client_auth: 'private_key_jwt', logout_at_provider: true });
  const alice = await product.importRealm({
    redirectUri: basic.oidc.redirect_uri,
    backchannelLogoutUri: basic.oidc.backchannel_logout_uri,
    clientSecret: secret,
    password,
  });
  await product.call('POST', CLIENTS, {
    clientId: 'keyed',
    protocol: 'openid-connect',
    publicClient: false,
    clientAuthenticatorType: 'client-jwt',
    redirectUris: [keyed.oidc.redirect_uri],
    attributes: {
      'use.jwks.url': 'true',
      'jwks.url': keyed.oidc.jwks_uri,
      'require.pushed.authorization.requests': 'true',
      'pkce.code.challenge.method': 'S256',
      'post.logout.redirect.uris': keyed.oidc.post_logout_redirect_uri,
      'backchannel.logout.url': keyed.oidc.backchannel_logout_uri,
      'backchannel.logout.session.required': 'true',
    },
  });
  const credentials = { username: 'alice', password };
  // It takes pushed requests, and those are refused first.
  const user = await common(company, { connection: basic, secret, refusedAs: 'par_refused', person: credentials, subject: 'alice', sub: alice.id });
  const authorize = `${issuer}/protocol/openid-connect/auth`;

  await report.check('the request is pushed, since Keycloak offers it', async () => {
    const person = new Person(credentials);
    await company.isIn(person, basic, user.id);
    equal(Object.keys(person.queryAt(authorize)).sort().join(), 'client_id,request_uri', 'what the browser carried');
  });
  await report.check('private_key_jwt with our JWKS URL, and pushed requests, which Keycloak demands of this client', async () => {
    const person = new Person(credentials);
    await company.isIn(person, keyed, user.id);
    equal(Object.keys(person.queryAt(authorize)).sort().join(), 'client_id,request_uri', 'what the browser carried');
  });
  await company.rotates(keyed, user, credentials, async () => undefined);
  await report.check("Keycloak's key is rotated, and nobody waits", async () => {
    const realm = await product.call('GET', '/admin/realms/acme');
    await product.call('POST', '/admin/realms/acme/components', {
      name: 'rsa-next', providerId: 'rsa-generated', providerType: 'org.keycloak.keys.KeyProvider', parentId: realm.id,
      config: { priority: ['200'], enabled: ['true'], active: ['true'], algorithm: ['RS256'], keySize: ['2048'] },
    });
    await company.isIn(new Person(credentials), basic, user.id);
  });
  const realm = await product.call('GET', '/admin/realms/acme');
  await product.call('POST', '/admin/realms/acme/components', {
    name: 'eddsa', providerId: 'eddsa-generated', providerType: 'org.keycloak.keys.KeyProvider', parentId: realm.id,
    config: { priority: ['100'], enabled: ['true'], active: ['true'], eddsaEllipticCurveKey: ['Ed25519'] },
  });
  for (const algorithm of ['ES256', 'PS256', 'EdDSA']) {
    // A connection each: one that saw its provider change keys twice within half a minute does not look a third time.
    await report.check(`an ID token signed with ${algorithm}`, async () => {
      const connection = await company.connect(algorithm, { issuer, client_id: algorithm, client_secret: secret });
      await product.call('POST', CLIENTS, {
        clientId: algorithm, protocol: 'openid-connect', publicClient: false, secret, redirectUris: [connection.oidc.redirect_uri],
        attributes: { 'id.token.signed.response.alg': algorithm, 'pkce.code.challenge.method': 'S256' },
      });
      await company.isIn(new Person(credentials), connection, user.id);
    });
  }
  await report.check('signing out at the app signs out at Keycloak, and comes back without a question', async () => {
    const person = new Person(credentials);
    await company.isIn(person, keyed, user.id);
    const page = await company.signOut(person);
    const query = person.queryAt(`${issuer}/protocol/openid-connect/logout`);
    ok(query.id_token_hint && query.state, 'no hint or no state');
    ok(page.url.startsWith(hall.app.url), `ended at ${page.url}`);
    const sessions = await product.call('GET', `/admin/realms/acme/users/${alice.id}/sessions`);
    return `${sessions.length} sessions of other browsers are left at Keycloak`;
  });
  await report.check('an admin signs the person out at Keycloak: back-channel logout ends ours, and the app is told', async () => {
    await company.isIn(new Person(credentials), basic, user.id);
    return company.told(() => product.call('POST', `/admin/realms/acme/users/${alice.id}/logout`), 10_000);
  });
  await report.check('a person that Keycloak disables is refused there', async () => {
    const state = { ...alice, enabled: false };
    await product.call('PUT', `/admin/realms/acme/users/${alice.id}`, state);
    const page = await company.signIn(new Person(credentials), basic);
    await product.call('PUT', `/admin/realms/acme/users/${alice.id}`, { ...alice, enabled: true });
    ok(page.url.startsWith(product.url), `ended at ${page.url}`);
  });
  await fired(company, user, credentials, basic);
}
