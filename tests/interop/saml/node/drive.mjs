// Sign-in and sign-out by SAML with npm samlp.
import { randomBytes } from 'node:crypto';

import { drive, equal, ok } from '../../lib/report.mjs';
import { Workshop } from '../../lib/workshop.mjs';
import { makeCertificate } from '../lib/certificate.mjs';
import { Hall } from '../lib/hall.mjs';
import { SamlpProvider, VERSION } from './provider.mjs';
import { signedByXmlsec } from './xmlsec.mjs';

const EMAIL = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress';
const XMLENC = 'http://www.w3.org/2001/04/xmlenc#';
const XMLENC11 = 'http://www.w3.org/2009/xmlenc11#';
const ASSERTION = {};
const RESPONSE = { signAssertion: false, signResponse: true };
const BOTH = { signResponse: true };
const SHA1 = { signatureAlgorithm: 'rsa-sha1', digestAlgorithm: 'sha1' };

const workshop = new Workshop('saml-node');

await drive('saml/node', workshop, async (report) => {
  const password = report.hide(randomBytes(12).toString('base64url'));
  const credentials = { username: 'alice', password };
  const provider = new SamlpProvider(await workshop.freePort(), await makeCertificate(workshop, 'samlp'), [
    { ...credentials, id: 'c7a1f0d2-alice', email: 'alice@acme.test', givenName: 'Alice', familyName: 'Arnold' },
  ]);
  await provider.start();
  workshop.atEnd(() => provider.close());
  const hall = await Hall.open(workshop, report);
  report.say(`npm samlp ${VERSION} on Node.js ${process.version} at idp.localhost, Vestibule at 127.0.0.1, the app at app.localhost; ${hall.browser()}`);
  let user;

  report.section('set up');
  const ready = await report.check('a connection is made from its metadata, and it is told of ours', async () => {
    const { saml } = await hall.connect({ metadata_xml: await provider.metadata() }, { claim: `attribute:${EMAIL}` });
    equal(saml.entity_id, provider.issuer, 'entity ID');
    provider.trust({ entityId: saml.sp_entity_id, acsUrl: saml.acs_url, sloUrl: saml.slo_url, certificate: saml.signing_keys[0].certificate });
    return `${saml.certificates.length} certificate, requests by ${saml.sso_binding}, ${saml.idp_slo_url ? 'with' : 'without'} single logout`;
  }) && await report.check('a person whom no directory pushed is refused, and signs in once hired', async () => {
    await hall.refused(credentials, 'not_provisioned');
    user = await hall.hire({ userName: 'alice@acme.test', externalId: 'alice', givenName: 'Alice', familyName: 'Arnold' });
    return (await hall.signIn(credentials)).shape;
  });
  if (!ready) return;

  const signsIn = (name, settings, wanted) => report.check(`${name}: signed in`, async () => {
    provider.set(settings);
    const { shape } = await hall.signIn(credentials);
    for (const [part, present] of Object.entries(wanted)) ok(shape.includes(part) === present, shape);
    return shape;
  });

  report.section('signatures');
  await signsIn('the assertion signed', ASSERTION, { 'response signed': false, 'assertion signed': true, 'rsa-sha256': true });
  await signsIn('the response signed', RESPONSE, { 'response signed': true, 'assertion signed': false, 'rsa-sha256': true });
  await signsIn('both signed', BOTH, { 'response signed': true, 'assertion signed': true });
  await signsIn('signatures with a namespace prefix', { ...BOTH, signatureNamespacePrefix: 'ds' }, { 'response signed': true });
  await report.check('nothing signed: refused', async () => {
    provider.set({ signAssertion: false });
    await hall.refused(credentials, 'unsigned');
  });
  await report.check('signed with a key that is not the connection\'s: refused', async () => {
    const { key, certificate: cert } = await makeCertificate(workshop, 'somebody');
    provider.set({ key, cert });
    await hall.refused(credentials, 'signature');
  });

  report.section('ECDSA: what samlp says, signed by xmlsec1');
  // Only the first key is of a new kind: afterwards a key by ECDSA is known, and it is another one.
  const curves = [['P-256', 'Response', 'ecdsa-sha256', 'xmlenc#sha256', 'key_kind'], ['P-384', 'Assertion', 'ecdsa-sha384', 'xmldsig-more#sha384', 'signature']];
  for (const [curve, element, method, digest, rule] of curves) {
    await report.check(`a key on ${curve} for the ${element.toLowerCase()}: refused, and signed in once its certificate is trusted beside the other`, async () => {
      const made = await makeCertificate(workshop, `ecdsa-${curve}`, ['ec', '-pkeyopt', `ec_paramgen_curve:${curve}`]);
      provider.set(await signedByXmlsec(workshop, element, made, method, digest));
      await hall.refused(credentials, rule);
      await hall.vestibule.api('POST', `/connections/${hall.connection.id}/certificates`, { certificate: made.certificate });
      const { shape } = await hall.signIn(credentials);
      provider.set(ASSERTION);
      await hall.signIn(credentials);
      return shape;
    });
  }

  report.section('SHA-1');
  for (const [name, settings] of [['the assertion', { ...ASSERTION, ...SHA1 }], ['the response', { ...RESPONSE, ...SHA1 }], ['only the digest', { ...ASSERTION, digestAlgorithm: 'sha1' }]]) {
    await report.check(`${name} by SHA-1: refused`, async () => {
      provider.set(settings);
      await hall.refused(credentials, 'algorithm');
    });
  }
  await report.check('more than 90 days of SHA-1: not to be had', async () => {
    const until = new Date(Date.now() + 91 * 86_400_000).toISOString();
    const said = await hall.change({ saml: { allow_sha1_until: until } }).then(() => 'accepted', (error) => error.message);
    ok(said.includes('422'), said);
  });
  await report.check('allowed until tomorrow: signed in, and the record says that it was SHA-1', async () => {
    provider.set({ ...BOTH, ...SHA1 });
    await hall.change({ saml: { allow_sha1_until: new Date(Date.now() + 86_400_000).toISOString() } });
    const { shape, login } = await hall.signIn(credentials);
    ok(shape.includes('rsa-sha1'), shape);
    ok(/SHA-1/.test(JSON.stringify(login.report)), 'the record does not mention SHA-1');
    return shape;
  });
  await report.check('until a moment ago, or no longer: refused again', async () => {
    const said = await hall.change({ saml: { allow_sha1_until: new Date(Date.now() + 1_500).toISOString() } }).then(() => 'accepted');
    equal(said, 'accepted', 'a short permission');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await hall.refused(credentials, 'algorithm');
    await hall.change({ saml: { allow_sha1_until: null } });
    await hall.refused(credentials, 'algorithm');
  });

  report.section('requests, which samlp verifies');
  provider.set(ASSERTION);
  await report.check('by redirect and by form, both signed: signed in', async () => {
    const seen = [];
    for (const binding of ['redirect', 'post']) {
      await hall.change({ saml: { sso_binding: binding } });
      const request = (await hall.signIn(credentials)).person.last('AuthnRequest');
      ok(request.binding === binding && request.signed, `${request.binding}, ${request.signed ? 'signed' : 'not signed'}`);
      seen.push(`${binding} ${request.algorithm.split('#').at(-1)}`);
    }
    await hall.change({ saml: { sso_binding: 'redirect' } });
    return seen.join(', ');
  });
  await report.check('not signed: samlp refuses it', async () => {
    await hall.change({ saml: { sign_requests: false } });
    const page = await hall.visit(await hall.person(), credentials);
    equal(page.title, 'samlp refuses', 'title');
    await hall.change({ saml: { sign_requests: true } });
    return page.text.match(/SAMLRequest[^.]*signed/)?.[0];
  });

  report.section('encryption, which the connection requires');
  const { saml } = await hall.change({ saml: { encryption: 'required' } });
  const encryptionCert = saml.encryption_keys[0].certificate;
  const encrypted = { encryptionCert, encryptionPublicKey: encryptionCert };
  await report.check('a plain assertion: refused', async () => {
    provider.set(ASSERTION);
    await hall.refused(credentials, 'not_encrypted');
  });
  await signsIn('samlp\'s default, assertion signed', { ...ASSERTION, ...encrypted }, { 'assertion encrypted': true });
  await signsIn('the same, response signed', { ...RESPONSE, ...encrypted }, { 'assertion encrypted': true, 'response signed': true });
  for (const [name, encryptionAlgorithm] of [['AES-128-GCM', `${XMLENC11}aes128-gcm`], ['AES-256-CBC', `${XMLENC}aes256-cbc`], ['AES-128-CBC', `${XMLENC}aes128-cbc`]]) {
    await signsIn(name, { ...ASSERTION, ...encrypted, encryptionAlgorithm, disallowEncryptionWithInsecureAlgorithm: false, warnOnInsecureEncryptionAlgorithm: false }, { 'assertion encrypted': true });
  }
  await report.check('triple DES: refused', async () => {
    provider.set({ ...ASSERTION, ...encrypted, encryptionAlgorithm: `${XMLENC}tripledes-cbc`, disallowEncryptionWithInsecureAlgorithm: false, warnOnInsecureEncryptionAlgorithm: false });
    await hall.refused(credentials, 'encryption');
  });
  await report.check('encrypted for somebody else: refused', async () => {
    const { certificate } = await makeCertificate(workshop, 'elsewhere');
    provider.set({ ...ASSERTION, encryptionCert: certificate, encryptionPublicKey: certificate });
    await hall.refused(credentials, 'decryption');
  });
  provider.set(ASSERTION);
  await hall.change({ saml: { encryption: 'off' } });

  report.section('ends');
  await report.check('sign-out at the app reaches samlp and returns to the app', async () => {
    const { person } = await hall.signIn(credentials);
    const page = await person.go(`${hall.app.url}/logout`);
    ok(page.title === 'Signed out' && page.url.startsWith(hall.app.url), `${page.title} at ${page.url}: ${page.text.slice(0, 120)}`);
    const [request, answer] = [person.last('LogoutRequest'), person.last('LogoutResponse')];
    ok(request.signed && answer.signed && /status:Success/.test(answer.xml), 'a message is not signed, or no success');
    const next = await hall.signIn(credentials, { person });
    ok(next.page.asked.includes('password'), 'samlp still has its session');
    return `LogoutRequest by ${request.binding}, LogoutResponse by ${answer.binding}`;
  });
  await report.check('sign-out at samlp ends our sign-in and the app\'s session', async () => {
    const { person } = await hall.signIn(credentials);
    await hall.ends(person, user, async () => {
      const page = await person.go(`${provider.url}/slo`);
      equal(page.title, 'Signed out', `samlp: ${page.text.slice(0, 120)}`);
    });
    const [request, answer] = [person.last('LogoutRequest'), person.last('LogoutResponse')];
    ok(request.signed && answer.signed && /status:Success/.test(answer.xml), 'a message is not signed, or no success');
    return `LogoutRequest by ${request.binding}, LogoutResponse by ${answer.binding}`;
  });
  await report.check('SCIM deactivates the person: everything ends, and the next login is refused', async () => {
    const { person } = await hall.signIn(credentials);
    await hall.ends(person, user, () => hall.company.scim.setActive(user.id, false));
    await hall.refused(credentials, 'deactivated', { person });
  });
});
