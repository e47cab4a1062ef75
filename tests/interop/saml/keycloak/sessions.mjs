// Beginning and end of sessions: who asked, who is told, and what a directory's word is worth.
import { equal, ok } from '../../lib/report.mjs';
import { sleep } from '../../lib/workshop.mjs';

export async function sessionChecks(report, scene) {
  await beginnings(report, scene);
  await logouts(report, scene);
  await directory(report, scene);
}

async function beginnings(report, { hall, realm, credentials, user }) {
  report.section('beginnings');
  await report.check('prompt=login: Keycloak asks for the password again, and the sign-in is newer', async () => {
    const { person } = await hall.signIn(credentials);
    const { auth_time: before } = hall.app.lastClaims;
    await sleep(1_100);
    const { page } = await hall.signIn(credentials, { person, query: { prompt: 'login' } });
    ok(page.asked.includes('password'), 'the password was not asked for');
    ok(/ForceAuthn="(true|1)"/.test(person.last('AuthnRequest').xml), 'the request has no ForceAuthn');
    ok(hall.app.lastClaims.auth_time > before, 'auth_time did not move');
  });
  await report.check('without it, Keycloak\'s session is enough', async () => {
    const { person } = await hall.signIn(credentials);
    await hall.vestibule.api('DELETE', `/users/${user.id}/sessions`);
    const { page } = await hall.signIn(credentials, { person });
    equal(page.asked.join(), '', 'asked');
  });
  await report.check('a link in Keycloak\'s menu: refused, until the connection allows it, and then our own login begins', async () => {
    const person = await hall.person();
    const page = await person.go(realm.startUrl, credentials);
    ok(page.status === 403 && page.rule === 'unsolicited', `${page.status} ${page.title}, rule ${page.rule}`);
    await hall.change({ allow_idp_initiated: true, default_application_id: hall.application.id });
    const end = await person.go(realm.startUrl, credentials);
    equal(end.title, 'Hello, Alice Arnold', 'title');
    ok(/InResponseTo=/.test(person.last('Response').xml), 'the response that signed the person in answers no request');
    await hall.change({ allow_idp_initiated: false, default_application_id: null });
  });
  await report.check('persistent and transient name identifiers, the person found by the e-mail attribute', async () => {
    await hall.change({ join: { directory: 'userName', claim: 'attribute:email' } });
    for (const format of ['persistent', 'transient']) {
      await realm.setClient({ saml_name_id_format: format });
      const { person } = await hall.signIn(credentials);
      ok(person.last('Response').xml.includes(`nameid-format:${format}`), `the response has no ${format} NameID`);
      equal(hall.app.lastClaims.sub, user.id, 'sub');
    }
    await realm.setClient({ saml_name_id_format: 'email' });
    await hall.change({ join: { directory: 'userName', claim: 'name_id' } });
    await hall.signIn(credentials);
  });
}

async function logouts(report, { hall, realm, credentials, user }) {
  report.section('ends');
  const logOutHere = async (person) => {
    const page = await person.go(`${hall.app.url}/logout`);
    equal(page.title, 'Signed out', 'the app');
    ok(page.url.startsWith(hall.app.url), page.url);
    const [request, answer] = [person.last('LogoutRequest'), person.last('LogoutResponse')];
    ok(request.signed && answer.signed, 'a message is not signed');
    ok(/status:Success/.test(answer.xml), 'Keycloak did not answer with success');
    await hall.notSignedInHere(person);
    const next = await hall.signIn(credentials, { person });
    ok(next.page.asked.includes('password'), 'Keycloak still has its session');
    return `LogoutRequest by ${request.binding}, LogoutResponse by ${answer.binding}`;
  };
  await report.check('sign-out at the app reaches Keycloak and returns to the app', async () => {
    const { person } = await hall.signIn(credentials);
    return logOutHere(person);
  });
  await report.check('the same with Keycloak answering by form', async () => {
    await realm.setClient({ 'saml.force.post.binding': 'true' });
    const { person } = await hall.signIn(credentials);
    const seen = await logOutHere(person);
    await realm.setClient({ 'saml.force.post.binding': 'false' });
    return seen;
  });
  const logOutThere = async (person) => {
    await hall.ends(person, user, () => person.go(realm.logoutUrl, {}, { press: '#kc-logout' }));
    const [request, answer] = [person.last('LogoutRequest'), person.last('LogoutResponse')];
    equal(request.to, hall.connection.saml.slo_url, 'where Keycloak sent the browser');
    ok(request.signed && answer.signed && /status:Success/.test(answer.xml), 'a message is not signed, or no success');
    return `LogoutRequest by ${request.binding}, LogoutResponse by ${answer.binding}`;
  };
  await report.check('sign-out at Keycloak ends our sign-in and the app\'s session; another browser\'s goes on', async () => {
    const { person } = await hall.signIn(credentials);
    const { person: other } = await hall.signIn(credentials);
    const seen = await logOutThere(person);
    equal((await other.go(hall.app.url)).title, 'Hello, Alice Arnold', 'the other browser');
    return seen;
  });
  await report.check('the same by form', async () => {
    await realm.setClient({ 'saml.force.post.binding': 'true', saml_single_logout_service_url_redirect: '' });
    const { person } = await hall.signIn(credentials);
    const seen = await logOutThere(person);
    await realm.setClient({ 'saml.force.post.binding': 'false', saml_single_logout_service_url_redirect: hall.connection.saml.slo_url });
    return seen;
  });
  await report.check('an administrator of Keycloak ends the sessions: Keycloak tells us itself, without a browser', async () => {
    // Of the sessions that it ends at once Keycloak tells a client one only, so there is one.
    await realm.endSessions();
    await realm.setClient({}, { frontchannelLogout: false });
    const { person } = await hall.signIn(credentials);
    await hall.ends(person, user, () => realm.endSessions());
    await realm.setClient({}, { frontchannelLogout: true });
  });
}

async function directory(report, { hall, credentials, user }) {
  report.section('the directory has the last word');
  const { scim } = hall.company;
  let person;
  await report.check('SCIM deactivates the person: our sign-in and the app\'s session end', async () => {
    ({ person } = await hall.signIn(credentials));
    await hall.ends(person, user, () => scim.setActive(user.id, false));
    equal((await hall.sessions(user)).length, 0, 'sessions');
  });
  await report.check('Keycloak still lets the person in, we do not', async () => {
    const { page } = await hall.refused(credentials, 'deactivated', { person });
    equal(page.asked.join(), '', 'asked');
    await hall.refused(credentials, 'deactivated');
    return page.title;
  });
  await report.check('reactivated: what was over stays over, a new sign-in works', async () => {
    await scim.setActive(user.id, true);
    await hall.notSignedInHere(person);
    await hall.signIn(credentials, { person });
  });
  await report.check('the app refused none of our logout tokens', async () => {
    equal(hall.app.refusals.join('; '), '', 'refused');
    return `${hall.app.logouts.length} accepted`;
  });
}
