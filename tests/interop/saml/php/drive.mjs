// Sign-in and sign-out by SAML with SimpleSAMLphp.
import { randomBytes } from 'node:crypto';

import { drive, equal, ok } from '../../lib/report.mjs';
import { Workshop } from '../../lib/workshop.mjs';
import { makeCertificate } from '../lib/certificate.mjs';
import { Hall } from '../lib/hall.mjs';
import { SimpleSamlPhp } from './simplesamlphp.mjs';

const workshop = new Workshop('saml-php');
const signed = (response, assertion) => ({ 'saml20.sign.response': response, 'saml20.sign.assertion': assertion });

await drive('saml/php', workshop, async (report) => {
  const product = new SimpleSamlPhp(workshop, await workshop.freePort());
  const version = await product.prepare();
  const password = report.hide(randomBytes(12).toString('base64url'));
  const credentials = { username: 'alice', password };
  await product.start(await makeCertificate(workshop, 'simplesamlphp'), {
    ...credentials, attributes: { uid: ['alice'], mail: ['alice@acme.test'], displayName: ['Alice Arnold'], groups: ['staff', 'finance'] },
  });
  const hall = await Hall.open(workshop, report);
  report.say(`${version} at idp.localhost, Vestibule at 127.0.0.1, the app at app.localhost; ${hall.browser()}`);
  let user;

  report.section('set up');
  const ready = await report.check('a connection is made from its metadata, and it is given ours', async () => {
    const { saml } = await hall.connect({ metadata_xml: await product.metadata() }, { claim: 'name_id' });
    equal(saml.entity_id, product.entityId, 'entity ID');
    product.describe(await hall.metadata());
    return `${saml.certificates.length} certificate, requests by ${saml.sso_binding}, ${saml.idp_slo_url ? 'with' : 'without'} single logout`;
  }) && await report.check('a person whom no directory pushed is refused, and signs in once hired', async () => {
    await hall.refused(credentials, 'not_provisioned');
    user = await hall.hire({ userName: 'alice@acme.test', externalId: 'alice', givenName: 'Alice', familyName: 'Arnold' });
    const { person, shape } = await hall.signIn(credentials);
    ok(person.last('AuthnRequest').signed, 'the request is not signed, and SimpleSAMLphp validates it');
    return shape;
  });
  if (!ready) return;

  report.section('signatures');
  // Our metadata wants signed assertions, and SimpleSAMLphp puts that wish above its own setting.
  const describe = async () => product.describe((await hall.metadata()).replace(/ WantAssertionsSigned="[^"]*"/, ''));
  await describe();
  for (const [name, response, assertion] of [['the response', true, false], ['the assertion', false, true]]) {
    await report.check(`${name} alone signed: signed in`, async () => {
      product.set(signed(response, assertion));
      const { shape } = await hall.signIn(credentials);
      ok(shape.includes('response signed') === response && shape.includes('assertion signed') === assertion, shape);
      return shape;
    });
  }
  await report.check('neither signed: refused', async () => {
    product.set(signed(false, false));
    await hall.refused(credentials, 'unsigned');
  });
  product.set(signed(true, true));
  for (const bits of [384, 512]) {
    await report.check(`RSA-SHA${bits}: signed in`, async () => {
      product.set({ 'signature.algorithm': `http://www.w3.org/2001/04/xmldsig-more#rsa-sha${bits}` });
      return (await hall.signIn(credentials)).shape;
    });
  }
  await report.check('RSA-SHA1: refused', async () => {
    product.set({ 'signature.algorithm': 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' });
    await hall.refused(credentials, 'algorithm');
  });
  product.set({ 'signature.algorithm': 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256' });
  await report.check('a request by form, signed inside: signed in', async () => {
    await hall.change({ saml: { sso_binding: 'post' } });
    const request = (await hall.signIn(credentials)).person.last('AuthnRequest');
    ok(request.binding === 'post' && request.signed, `${request.binding}, ${request.signed ? 'signed' : 'not signed'}`);
    await hall.change({ saml: { sso_binding: 'redirect' } });
  });
  await report.check('not signed: SimpleSAMLphp refuses it; told so by our metadata, it takes it', async () => {
    await hall.change({ saml: { sign_requests: false } });
    const page = await hall.visit(await hall.person(), credentials);
    ok(new URL(page.url).hostname === 'idp.localhost' && page.asked.length === 0, `${page.status} at ${page.url}`);
    // It goes by what our metadata says of our requests.
    await describe();
    equal((await hall.signIn(credentials)).person.last('AuthnRequest').signed, false, 'signed');
    await hall.change({ saml: { sign_requests: true } });
    await describe();
    return `SimpleSAMLphp: ${page.status} ${page.title}`;
  });

  report.section('encryption, which the connection requires');
  await hall.change({ saml: { encryption: 'required' } });
  await describe();
  await report.check('a plain assertion: refused', async () => {
    await hall.refused(credentials, 'not_encrypted');
  });
  for (const [name, response, assertion] of [['both signed', true, true], ['response signed', true, false], ['assertion signed', false, true]]) {
    await report.check(`encrypted, ${name}: signed in`, async () => {
      product.set({ 'assertion.encryption': true, ...signed(response, assertion) });
      const { shape } = await hall.signIn(credentials);
      ok(shape.includes('assertion encrypted'), shape);
      return shape;
    });
  }
  await report.check('encrypted, and nothing signed: refused', async () => {
    product.set(signed(false, false));
    await hall.refused(credentials, 'unsigned');
  });
  await report.check('the name identifier encrypted as well: signed in', async () => {
    product.set({ 'nameid.encryption': true, ...signed(true, true) });
    const { person } = await hall.signIn(credentials);
    ok(!person.last('Response').xml.includes('alice@acme.test'), 'the message shows the person');
    equal(hall.app.lastClaims.sub, user.id, 'sub');
  });
  product.set({ 'nameid.encryption': false, 'assertion.encryption': false });
  await hall.change({ saml: { encryption: 'off' } });
  product.describe(await hall.metadata());

  report.section('ends');
  await report.check('sign-out at the app reaches SimpleSAMLphp and returns to the app', async () => {
    const { person } = await hall.signIn(credentials);
    const page = await person.go(`${hall.app.url}/logout`);
    ok(page.title === 'Signed out' && page.url.startsWith(hall.app.url), `${page.title} at ${page.url}`);
    const [request, answer] = [person.last('LogoutRequest'), person.last('LogoutResponse')];
    ok(request.signed && answer.signed && /status:Success/.test(answer.xml), 'a message is not signed, or no success');
    const next = await hall.signIn(credentials, { person });
    ok(next.page.asked.includes('password'), 'SimpleSAMLphp still has its session');
    return `LogoutRequest by ${request.binding}, LogoutResponse by ${answer.binding}`;
  });
  await report.check('sign-out at SimpleSAMLphp ends our sign-in and the app\'s session', async () => {
    const { person } = await hall.signIn(credentials);
    await hall.ends(person, user, () => person.go(product.logoutUrl));
    const [request, answer] = [person.last('LogoutRequest'), person.last('LogoutResponse')];
    ok(request.signed && answer.signed && /status:Success/.test(answer.xml), 'a message is not signed, or no success');
    equal(answer.to, `${product.url}/saml2/idp/SingleLogoutService.php`, 'where we answered');
    return `LogoutRequest by ${request.binding}, LogoutResponse by ${answer.binding}`;
  });
  await report.check('prompt=login: it asks for the password again', async () => {
    const { person } = await hall.signIn(credentials);
    const { page } = await hall.signIn(credentials, { person, query: { prompt: 'login' } });
    ok(page.asked.includes('password'), 'the password was not asked for');
  });
  await report.check('SCIM deactivates the person: everything ends, and the next login is refused', async () => {
    const { person } = await hall.signIn(credentials);
    await hall.ends(person, user, () => hall.company.scim.setActive(user.id, false));
    await hall.refused(credentials, 'deactivated', { person });
  });
});
