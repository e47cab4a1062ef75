// From hire to fire with a real Keycloak: SCIM, a browser, an app, and the end of everything.
import { randomBytes } from 'node:crypto';

import { openChromium } from '../lib/chromium.mjs';
import { drive, equal, ok } from '../lib/report.mjs';
import { SampleApp } from '../lib/sample_app.mjs';
import { startVestibule } from '../lib/vestibule.mjs';
import { Workshop, eventually } from '../lib/workshop.mjs';
import { Keycloak } from './keycloak.mjs';
import { BrowserVisitor, WalkingVisitor } from './visitors.mjs';

const workshop = new Workshop('keycloak');

await drive('keycloak', workshop, async (report) => {
  const keycloak = new Keycloak(workshop, await workshop.freePort());
  const version = await keycloak.start(report);
  report.say(`Keycloak ${version} at idp.localhost, Vestibule at 127.0.0.1, the app at app.localhost: three sites`);
  const vestibule = await startVestibule(workshop, report);
  const company = await vestibule.addCompany(report, { name: 'Acme', domain: 'acme.test' });

  const clientSecret = report.hide(randomBytes(24).toString('base64url'));
  const password = report.hide(randomBytes(12).toString('base64url'));
  const app = new SampleApp(await workshop.freePort());
  workshop.atEnd(() => app.close());
  let alice;
  let user;

  report.section('set up');
  const ready = await report.check('the connection is made, and its addresses are entered at Keycloak', async () => {
    const connection = await vestibule.api('POST', `/organizations/${company.organization.id}/connections`, {
      protocol: 'oidc',
      name: 'Acme accounts',
      directory_id: company.directory.id,
      oidc: { issuer: keycloak.issuer, client_id: 'vestibule', client_secret: clientSecret },
      join: { directory: 'externalId', claim: 'sub' },
    });
    alice = await keycloak.importRealm({
      redirectUri: connection.oidc.redirect_uri,
      backchannelLogoutUri: connection.oidc.backchannel_logout_uri,
      clientSecret,
      password,
    });
    const application = await vestibule.api('POST', '/applications', app.registration('Fieldnotes'));
    report.hide(application.client_secret);
    await app.start(vestibule.url, application);
  });
  if (!ready) return;

  const chromium = await openChromium(workshop);
  const open = () => (chromium ? BrowserVisitor.open(chromium, workshop) : new WalkingVisitor());
  const credentials = { email: alice.email, username: alice.username, password };

  report.section(chromium ? `in Chromium ${chromium.version()}` : 'by a scripted form walk: there is no Chromium here');
  await report.check('a person whom no directory pushed is refused, and no user is made', async () => {
    const visitor = await open();
    const page = await visitor.signIn(app, credentials);
    equal(page.status, 403, 'status');
    await visitor.picture('not-provisioned');
    equal((await company.scim.call('GET', '/Users')).totalResults, 0, 'users');
    return `${page.title}, rule ${page.rule}`;
  });
  await report.check('SCIM pushes the person with the Keycloak id as externalId', async () => {
    user = await company.scim.hire({ userName: alice.email, externalId: alice.id, givenName: alice.firstName, familyName: alice.lastName });
    ok(user.id.startsWith('usr_'), 'id');
  });
  const visitor = await open();
  await report.check('the app leads to our page, that one to Keycloak, and back into the app', async () => {
    const page = await visitor.signIn(app, credentials, 'login');
    equal(page.title, 'Hello, Alice Arnold', 'title');
    await visitor.picture('app');
    return visitor.sites.join(' → ');
  });
  await report.check('a second app visit in the same browser asks nothing', async () => {
    const page = await visitor.visit(`${app.url}/login`);
    equal(page.title, 'Hello, Alice Arnold', 'title');
  });
  await report.check("SCIM deactivates the person: the app's session ends by back-channel logout", async () => {
    const began = performance.now();
    await company.scim.setActive(user.id, false);
    const answered = performance.now();
    const [{ at, payload }] = await eventually('a logout token arrives', () => app.logouts.length > 0 && app.logouts, { within: 5_000, every: 2 });
    equal(payload.sub, user.id, 'sub');
    equal((await visitor.visit(app.url)).title, 'Signed out', 'title');
    equal(app.refusals.join('; '), '', 'refused logout tokens');
    return `SCIM answered in ${Math.round(answered - began)} ms, the app was told ${Math.round(at - answered)} ms after the answer`;
  });
  await report.check('the next login is refused on our page, though Keycloak still lets the person in', async () => {
    const page = await visitor.signIn(app, credentials);
    equal(page.status, 403, 'status');
    await visitor.picture('refused');
    return `${page.title}, rule ${page.rule}`;
  });
  await report.check('reactivated: the old session stays over, a new sign-in works', async () => {
    await company.scim.setActive(user.id, true);
    equal((await visitor.visit(app.url)).title, 'Signed out', 'title');
    equal((await visitor.signIn(app, credentials)).title, 'Hello, Alice Arnold', 'title');
  });
  await report.check('deleted: the app is told, and the person is refused like one who never was', async () => {
    const before = app.logouts.length;
    await company.scim.call('DELETE', `/Users/${user.id}`);
    await eventually('a logout token arrives', () => app.logouts.length > before, { within: 5_000 });
    const page = await visitor.signIn(app, credentials);
    equal(page.status, 403, 'status');
    return `rule ${page.rule}`;
  });
});
