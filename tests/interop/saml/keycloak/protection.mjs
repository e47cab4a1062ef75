// Signatures, encryption and keys: what Keycloak can be set to, and what we accept of it.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { equal, ok } from '../../lib/report.mjs';
import { finish, sleep } from '../../lib/workshop.mjs';

const XMLENC = 'http://www.w3.org/2001/04/xmlenc#';
const XMLENC11 = 'http://www.w3.org/2009/xmlenc11#';

const signed = (response, assertion) => ({ 'saml.server.signature': String(response), 'saml.assertion.signature': String(assertion) });

/** Keycloak's four settings of the encryption; an empty one is its default. */
const encrypted = (cipher = '', key = '', digest = '', mask = '') => ({
  'saml.encryption.algorithm': cipher,
  'saml.encryption.keyAlgorithm': key,
  'saml.encryption.digestMethod': digest,
  'saml.encryption.maskGenerationFunction': mask,
});

export async function protectionChecks(report, scene) {
  await signatures(report, scene);
  await requests(report, scene);
  await encryption(report, scene);
  await rollover(report, scene);
}

async function signatures(report, { hall, realm, credentials, workshop }) {
  report.section('signatures');
  for (const [name, response, assertion] of [['the response', true, false], ['the assertion', false, true], ['both', true, true]]) {
    await report.check(`${name} signed: signed in`, async () => {
      await realm.setClient(signed(response, assertion));
      const { shape } = await hall.signIn(credentials);
      ok(shape.includes('response signed') === response && shape.includes('assertion signed') === assertion, shape);
      return shape;
    });
  }
  await report.check('neither signed: refused', async () => {
    await realm.setClient(signed(false, false));
    await hall.refused(credentials, 'unsigned');
  });
  await realm.setClient(signed(true, true));
  await report.check('RSA-SHA512: signed in', async () => {
    await realm.setClient({ 'saml.signature.algorithm': 'RSA_SHA512' });
    const { shape } = await hall.signIn(credentials);
    ok(shape.includes('rsa-sha512'), shape);
    return shape;
  });
  for (const [algorithm, name] of [['RSA_SHA1', 'RSA-SHA1'], ['RSA_SHA256_MGF1', 'RSA-PSS with SHA-256']]) {
    await report.check(`${name}: refused`, async () => {
      await realm.setClient({ 'saml.signature.algorithm': algorithm });
      const { login } = await hall.refused(credentials, 'algorithm');
      return login.report?.refused?.got ?? undefined;
    });
  }
  await realm.setClient({ 'saml.signature.algorithm': 'RSA_SHA256' });
  await report.check('inclusive canonicalization of the response: refused, and accepted where the connection allows it', async () => {
    await realm.setClient({ saml_signature_canonicalization_method: 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315', ...signed(true, false) });
    await hall.refused(credentials, 'canonicalization');
    await hall.change({ saml: { allow_inclusive_c14n: true } });
    const { shape } = await hall.signIn(credentials);
    return shape;
  });
  await report.check('inclusive canonicalization of the assertion: refused, for Keycloak signs it outside of its response and so breaks it', async () => {
    await realm.setClient(signed(false, true));
    const { person } = await hall.refused(credentials, 'signature');
    await hall.change({ saml: { allow_inclusive_c14n: false } });
    return xmlsec(person.last('Response').xml, await realm.descriptor(), workshop);
  });
  await realm.setClient(signed(true, true));
  await realm.setClient({ saml_signature_canonicalization_method: 'http://www.w3.org/2001/10/xml-exc-c14n#' });
  await report.check('the key named in an extension ("optimize the look-up of the signing key"): signed in', async () => {
    await realm.setClient({ 'saml.server.signature.keyinfo.ext': 'true' });
    await hall.signIn(credentials);
    await realm.setClient({ 'saml.server.signature.keyinfo.ext': 'false' });
  });
}

async function requests(report, { hall, realm, credentials }) {
  report.section('requests');
  await report.check('Keycloak demands signed requests, and ours by redirect is', async () => {
    equal(realm.client.attributes['saml.client.signature'], 'true', 'what the client demands');
    const { person } = await hall.signIn(credentials);
    const request = person.last('AuthnRequest');
    ok(request.binding === 'redirect' && request.signed, `${request.binding}, ${request.signed ? 'signed' : 'not signed'}`);
    return request.algorithm.split('#').at(-1);
  });
  await report.check('by form, signed inside: signed in', async () => {
    await hall.change({ saml: { sso_binding: 'post' } });
    const { person } = await hall.signIn(credentials);
    const request = person.last('AuthnRequest');
    ok(request.binding === 'post' && request.signed, `${request.binding}, ${request.signed ? 'signed' : 'not signed'}`);
    await hall.change({ saml: { sso_binding: 'redirect' } });
    return request.algorithm.split('#').at(-1);
  });
  await report.check('not signed, Keycloak refuses it; it stops demanding it, and takes it', async () => {
    await hall.change({ saml: { sign_requests: false } });
    const page = await hall.visit(await hall.person(), credentials);
    ok(page.status >= 400 && new URL(page.url).hostname === 'idp.localhost', `${page.status} at ${page.url}`);
    await realm.setClient({ 'saml.client.signature': 'false' });
    const { person } = await hall.signIn(credentials);
    equal(person.last('AuthnRequest').signed, false, 'signed');
    await hall.change({ saml: { sign_requests: true } });
    await realm.setClient({ 'saml.client.signature': 'true' });
    return `Keycloak: ${page.status} ${page.text.match(/Invalid requester|Invalid Request/i)?.[0] ?? ''}`;
  });
  const rotate = (activate) => hall.vestibule.api('POST', `/connections/${hall.connection.id}/keys/rotate`, { purpose: 'signing', activate });
  await report.check('our signing key is rotated while Keycloak reads our metadata: no sign-in is lost', async () => {
    // Keycloak keeps our metadata for the hour that it names, and people wait longer than that. This copy names three seconds.
    const hurried = (xml) => xml.replace(/cacheDuration="PT3600S"/, 'cacheDuration="PT3S"');
    const copy = createServer(async (_, answer) => answer.end(hurried(await hall.metadata())));
    await new Promise((ready) => copy.listen(0, '127.0.0.1', ready));
    try {
      ok(hurried(await hall.metadata()).includes('PT3S'), 'our metadata does not say how long it may be kept');
      await realm.setClient({
        'saml.useMetadataDescriptorUrl': 'true',
        'saml.metadataDescriptorUrl': `http://127.0.0.1:${copy.address().port}/`,
      });
      await hall.signIn(credentials);
      await rotate(false);
      await sleep(5_000);
      await hall.signIn(credentials);
      const { data } = await rotate(true);
      await hall.signIn(credentials);
      return data.map(({ state }) => state).join(', ');
    } finally {
      copy.close();
    }
  });
  await report.check('Keycloak is given the new certificate by hand', async () => {
    const { data } = await hall.vestibule.api('GET', `/connections/${hall.connection.id}/keys`);
    const { certificate } = data.find(({ purpose, state }) => purpose === 'signing' && state === 'active');
    await realm.setClient({ 'saml.useMetadataDescriptorUrl': 'false', 'saml.signing.certificate': certificate.replace(/-----[^-]+-----|\s/g, '') });
    await hall.signIn(credentials);
  });
}

async function encryption(report, { hall, realm, credentials }) {
  report.section('encryption, which the connection requires');
  await report.check('a plain assertion: refused', async () => {
    await hall.change({ saml: { encryption: 'required' } });
    await hall.refused(credentials, 'not_encrypted');
  });
  const offered = await report.check('our metadata now has a key for encryption, and Keycloak reads it', async () => {
    const { attributes } = await realm.read(await hall.metadata());
    ok(attributes['saml.encryption.certificate'], 'no certificate was read');
    equal(attributes['saml.encrypt'], 'true', 'saml.encrypt');
    const ofEncryption = Object.entries(attributes).filter(([name]) => name.startsWith('saml.encrypt'));
    await realm.setClient(Object.fromEntries(ofEncryption));
  });
  if (!offered) return;
  const certificate = realm.client.attributes['saml.encryption.certificate'];
  const check = (name, attributes) => report.check(`${name}: signed in`, async () => {
    await realm.setClient(attributes);
    const { shape } = await hall.signIn(credentials);
    ok(shape.includes('assertion encrypted'), shape);
    return shape;
  });
  await check('what Keycloak chose by our metadata, response signed', signed(true, false));
  await check('the same, assertion signed before it was encrypted', signed(false, true));
  await check('the same, both signed', signed(true, true));
  await check('Keycloak\'s own defaults', encrypted());
  await check('AES-256-GCM, RSA-OAEP of 2009 with SHA-256 and MGF1-SHA-256', encrypted(`${XMLENC11}aes256-gcm`, `${XMLENC11}rsa-oaep`, `${XMLENC}sha256`, `${XMLENC11}mgf1sha256`));
  await check('AES-128-GCM, RSA-OAEP of 2009 with SHA-512 and MGF1-SHA-512', encrypted(`${XMLENC11}aes128-gcm`, `${XMLENC11}rsa-oaep`, `${XMLENC}sha512`, `${XMLENC11}mgf1sha512`));
  await check('AES-256-GCM, RSA-OAEP of 2009 with SHA-256 and MGF1-SHA-1', encrypted(`${XMLENC11}aes256-gcm`, `${XMLENC11}rsa-oaep`, `${XMLENC}sha256`, `${XMLENC11}mgf1sha1`));
  await check('AES-256-GCM, RSA-OAEP of 2001 with SHA-256', encrypted(`${XMLENC11}aes256-gcm`, `${XMLENC}rsa-oaep-mgf1p`, `${XMLENC}sha256`));
  await check('AES-256-CBC, RSA-OAEP of 2001 with SHA-1', encrypted(`${XMLENC}aes256-cbc`, `${XMLENC}rsa-oaep-mgf1p`, 'http://www.w3.org/2000/09/xmldsig#sha1'));
  await check('AES-128-CBC, RSA-OAEP of 2001', encrypted(`${XMLENC}aes128-cbc`, `${XMLENC}rsa-oaep-mgf1p`));
  await report.check('RSA with PKCS #1 v1.5: refused', async () => {
    await realm.setClient(encrypted(`${XMLENC}aes256-cbc`, `${XMLENC}rsa-1_5`));
    await hall.refused(credentials, 'encryption');
  });
  await report.check('encrypted, and nothing signed: refused', async () => {
    await realm.setClient({ ...encrypted(), ...signed(false, false) });
    await hall.refused(credentials, 'unsigned');
  });
  await realm.setClient(signed(true, true));
  await report.check('our encryption key is rotated: the key before still opens what Keycloak encrypts for it', async () => {
    const rotate = (activate) => hall.vestibule.api('POST', `/connections/${hall.connection.id}/keys/rotate`, { purpose: 'encryption', activate });
    await rotate(false);
    await rotate(true);
    await hall.signIn(credentials);
    const { attributes } = await realm.read(await hall.metadata());
    ok(attributes['saml.encryption.certificate'] !== certificate, 'our metadata still shows the key before');
    await realm.setClient({ 'saml.encryption.certificate': attributes['saml.encryption.certificate'] });
    await hall.signIn(credentials);
  });
  await realm.setClient({ 'saml.encrypt': 'false' });
  await hall.change({ saml: { encryption: 'off' } });
}

async function rollover(report, { hall, realm, credentials, user }) {
  report.section('the realm\'s keys');
  const refresh = () => hall.vestibule.api('POST', `/connections/${hall.connection.id}/metadata/refresh`);
  const [before] = await realm.keyProviders();
  await report.check('a key by ECDSA does not concern SAML in Keycloak', async () => {
    const certificates = (xml) => new Set([...xml.matchAll(/X509Certificate>([^<]+)/g)].map(([, one]) => one)).size;
    const had = certificates(await realm.descriptor());
    await realm.addKey('by ecdsa', 'ecdsa-generated', { ecdsaEllipticCurveKey: ['P-256'] });
    equal(certificates(await realm.descriptor()), had, 'certificates in the descriptor');
    const { shape } = await hall.signIn(credentials);
    ok(shape.includes('rsa-sha256'), shape);
    return 'its descriptor lists RSA keys only';
  });
  await report.check('a new active key, unknown to us: refused, and the record says what to do', async () => {
    await realm.addKey('next year', 'rsa-generated', { keySize: ['2048'], algorithm: ['RS256'] });
    await realm.setKey(before, { active: ['false'] });
    const { login } = await hall.refused(credentials, 'signature');
    return login.remedy ?? login.report?.refused?.remedy;
  });
  await report.check('the metadata is looked at: the new certificate is added, the old one stays, sign-ins go on', async () => {
    const living = (await hall.sessions(user)).length;
    const changes = await refresh();
    equal(changes.added_certificates.length, 1, 'added');
    equal(changes.vanished_certificates.length, 0, 'vanished');
    await hall.signIn(credentials);
    equal((await hall.sessions(user)).length, living + 1, 'sessions');
  });
  await report.check('the old key is active once more: it is still trusted', async () => {
    await realm.setKey(before, { active: ['true'], priority: ['300'] });
    await hall.signIn(credentials);
    await realm.setKey(before, { active: ['false'], priority: ['100'] });
  });
  await report.check('the old key is removed at Keycloak: we keep it, and say that it vanished', async () => {
    await realm.removeKey(before);
    const changes = await refresh();
    equal(changes.vanished_certificates.length, 1, 'vanished');
    await hall.signIn(credentials);
    const { saml } = await hall.change({});
    equal(saml.certificates.length, 2, 'certificates');
  });
}

/** What xmlsec1, where it is installed, says of the assertion's signature. */
async function xmlsec(xml, descriptor, workshop) {
  const [message, key] = [workshop.path('inclusive.xml'), workshop.path('realm.pem')];
  const certificate = descriptor.match(/X509Certificate>([^<]+)/)[1];
  writeFileSync(message, xml);
  writeFileSync(key, `-----BEGIN CERTIFICATE-----\n${certificate.replace(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`);
  const run = finish('xmlsec1', ['--verify', '--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:assertion:Assertion', '--pubkey-cert-pem', key, message], { allowed: true });
  const said = await run.catch(() => undefined);
  if (!said) return 'xmlsec1 is not here to be asked';
  ok(said.code !== 0, 'xmlsec1 accepts it');
  return 'xmlsec1 refuses it too';
}
