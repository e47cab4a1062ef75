// Sign-in and sign-out by SAML with a real Keycloak.
import { randomBytes } from 'node:crypto';

import { Keycloak } from '../../keycloak/keycloak.mjs';
import { drive, equal, ok } from '../../lib/report.mjs';
import { Workshop } from '../../lib/workshop.mjs';
import { Hall } from '../lib/hall.mjs';
import { protectionChecks } from './protection.mjs';
import { Realm } from './realm.mjs';
import { sessionChecks } from './sessions.mjs';

const workshop = new Workshop('saml-keycloak');

await drive('saml/keycloak', workshop, async (report) => {
  const keycloak = new Keycloak(workshop, await workshop.freePort());
  // It looks at our metadata again at most once in ten seconds: here sooner.
  const version = await keycloak.start(report, ['--spi-public-key-storage--infinispan--min-time-between-requests=1']);
  const hall = await Hall.open(workshop, report);
  report.say(`Keycloak ${version} at idp.localhost, Vestibule at 127.0.0.1, the app at app.localhost; ${hall.browser()}`);
  const password = report.hide(randomBytes(12).toString('base64url'));
  const realm = await Realm.make(keycloak, password);
  const scene = { hall, realm, workshop, credentials: { username: 'alice', password } };

  report.section('set up');
  const ready = await report.check('a connection is made from the address of the realm\'s descriptor', async () => {
    const { saml } = await hall.connect({ metadata_url: realm.descriptorUrl }, { claim: 'name_id' });
    equal(saml.entity_id, realm.url, 'entity ID');
    return `${saml.certificates.length} certificate, requests by ${saml.sso_binding}, ${saml.idp_slo_url ? 'with' : 'without'} single logout`;
  }) && await report.check('Keycloak makes its client from our metadata', async () => {
    const { clientId, redirectUris, attributes } = await realm.addClient(await hall.metadata());
    const { saml } = hall.connection;
    equal(clientId, saml.sp_entity_id, 'client id');
    ok(redirectUris.includes(saml.acs_url), `redirect URIs ${redirectUris}`);
    equal(attributes.saml_assertion_consumer_url_post, saml.acs_url, 'ACS');
    equal(attributes.saml_single_logout_service_url_redirect, saml.slo_url, 'SLO');
    equal(attributes['saml.client.signature'], 'true', 'signed requests');
    ok(attributes['saml.signing.certificate'], 'no signing certificate was read');
    equal(attributes['saml.encrypt'], undefined, 'encryption');
    return 'entity ID, ACS, SLO, signing certificate, signed requests; nothing to encrypt for';
  });
  if (!ready) return;

  report.section('first day');
  await report.check('a person whom no directory pushed is refused, and no user is made', async () => {
    const { page } = await hall.refused(scene.credentials, 'not_provisioned');
    equal((await hall.company.scim.call('GET', '/Users')).totalResults, 0, 'users');
    return page.title;
  });
  await report.check('hired by SCIM, the same person signs in', async () => {
    scene.user = await hall.hire({ userName: 'alice@acme.test', externalId: realm.alice.id, givenName: 'Alice', familyName: 'Arnold' });
    const { shape } = await hall.signIn(scene.credentials);
    equal(hall.app.lastClaims.sub, scene.user.id, 'sub');
    return shape;
  });

  await protectionChecks(report, scene);
  await sessionChecks(report, scene);
});
