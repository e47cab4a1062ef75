// Applications of other people against our OpenID Provider: npm openid-client, Apache mod_auth_openidc, PyPI authlib,
// go-oidc, Nimbus' SDK for Java; and proxies that ask us before each request. `app PART…` runs only the parts that are named.
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { Application } from '../lib/provider.mjs';
import { pythonEnvironment } from '../lib/python.mjs';
import { drive, equal, ok } from '../lib/report.mjs';
import { SampleApp } from '../lib/sample_app.mjs';
import { startVestibule } from '../lib/vestibule.mjs';
import { Walker, exchange } from '../lib/walker.mjs';
import { Workshop, eventually, finish } from '../lib/workshop.mjs';
import { Apache } from './apache.mjs';
import { checkLogouts, checkRequests } from './conformance_checks.mjs';
import { goClient, javaClient, versionIn } from './clients.mjs';
import { Service, caddy, checkForwardAuth, nginx } from './forward_auth.mjs';
import { runProgram } from './program.mjs';
import * as checks from './provider_checks.mjs';

const parts = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const wanted = (part) => parts.length === 0 || parts.includes(part);

const workshop = new Workshop('app');

await drive('app', workshop, async (report) => {
  const vestibule = await startVestibule(workshop, report);
  const acme = await companyWithProvider(report, vestibule);

  const listener = new checks.LogoutListener(await workshop.freePort());
  await listener.start();
  workshop.atEnd(() => listener.close());
  const register = async (registration) => {
    const application = await vestibule.api('POST', '/applications', registration);
    report.hide(application.client_secret);
    return application;
  };
  const redirectUri = `http://127.0.0.1:${listener.port}/callback`;
  const goodbye = `http://127.0.0.1:${listener.port}/goodbye`;
  const registered = await register({ name: 'Driver', redirect_uris: [redirectUri], post_logout_redirect_uris: [goodbye], backchannel_logout_uri: listener.uri });
  const applicationFor = (person, domain) => new Application({
    issuer: vestibule.url,
    clientId: registered.client_id,
    clientSecret: registered.client_secret,
    redirectUri,
    filled: { email: person.email, username: person.user_name, password: person.password },
    hint: { domain_hint: domain },
  }).discover();

  const [ada, grace, alan, barbara, radia] = acme.people;
  const application = await applicationFor(ada, 'acme.test');

  if (wanted('openid-client')) {
    report.section(`npm openid-client ${versionOf('openid-client')}, people of a company with its own identity provider`);
    await checks.checkDiscovery(report, application);
    if (await checks.checkSignIn(report, application)) {
      await checks.checkRefusals(report, application);
      await checks.checkTokens(report, application);
      await checkRequests(report, application);
      await checks.checkLogout(report, application, listener, goodbye);
      await checkLogouts(report, application, goodbye);
      await checks.checkDeactivation(report, application, listener, acme.scim, ada.id);
    }

    report.section('npm openid-client, a person of a company that signs in by password');
    const byPassword = await companyWithPasswords(report, vestibule);
    const local = await applicationFor(byPassword, 'globex.test');
    await report.check('code flow by password, and none with a wrong one', async () => {
      const { claims } = await local.signIn();
      equal(claims.sub, byPassword.id, 'sub');
      const wrong = await applicationFor({ ...byPassword, password: 'not it' }, 'globex.test');
      const at = await new Walker().walk((await wrong.request()).url, wrong.filled, () => false);
      equal(at.page.status, 422, 'status');
    });
  }

  if (wanted('sample')) {
    report.section('a small app on npm openid-client that keeps a session of its own');
    const app = new SampleApp(await workshop.freePort());
    await app.start(vestibule.url, await register(app.registration('Sample app')));
    workshop.atEnd(() => app.close());
    await sessionOfAnApp(report, acme.scim, grace, {
      page: `${app.url}/`,
      entrance: `${app.url}/login?domain_hint=acme.test`,
      mark: 'You are signed in',
    });
    await report.check('no logout token was refused, none came twice', () => {
      equal(app.refusals.join('; '), '', 'refusals');
      ok(app.logouts.length > 0, 'none came');
    });
  }

  if (wanted('apache')) {
    report.section('Apache mod_auth_openidc');
    const apache = new Apache(workshop, await workshop.freePort());
    const started = await report.check('Apache starts with our discovery document', async () => {
      const versions = await apache.prepare();
      await apache.start(vestibule.url, await register(apache.registration()));
      return versions;
    });
    if (started) await sessionOfAnApp(report, acme.scim, alan, { page: apache.page, entrance: apache.page, mark: Apache.MARK });
  }

  if (wanted('authlib')) {
    report.section('PyPI authlib 1.9.9');
    await report.check('its five checks', async () => {
      const bin = await pythonEnvironment(fileURLToPath(new URL('requirements.txt', import.meta.url)));
      const { code, said } = await finish(path.join(bin, 'python'), [fileURLToPath(new URL('authlib_checks.py', import.meta.url))], {
        env: {
          ISSUER: vestibule.url,
          CLIENT_ID: registered.client_id,
          CLIENT_SECRET: registered.client_secret,
          REDIRECT_URI: redirectUri,
          DOMAIN_HINT: 'acme.test',
          LOGIN_FIELDS: JSON.stringify(application.filled),
        },
        allowed: true,
      });
      for (const line of said.trim().split('\n').filter((line) => /^(ok|FAIL) /.test(line))) report.say(`      ${line}`);
      ok(code === 0, `exit code ${code}`);
    });
  }

  const inAnotherLanguage = async (title, make, person) => {
    report.section(title);
    let program;
    await report.check('the client is built', async () => { program = await make(workshop); });
    if (!program) return;
    await runProgram(report, {
      ...program,
      env: { ISSUER: vestibule.url, REDIRECT_URI: redirectUri, DOMAIN_HINT: 'acme.test' },
      redirectUri,
      filled: { email: person.email, username: person.user_name, password: person.password },
      register,
      setActive: (active) => acme.scim.setActive(person.id, active),
    });
  };
  if (wanted('go')) {
    const [oidc, oauth2] = [/go-oidc\/v3 v(\S+)/, /x\/oauth2 v(\S+)/].map((pattern) => versionIn('go-oidc/go.mod', pattern));
    await inAnotherLanguage(`Go: github.com/coreos/go-oidc ${oidc}, golang.org/x/oauth2 ${oauth2}`, goClient, barbara);
  }
  if (wanted('java')) {
    const sdk = versionIn('nimbus/pom.xml', /oauth2-oidc-sdk<\/artifactId>\s*<version>([^<]+)/);
    await inAnotherLanguage(`Java: com.nimbusds:oauth2-oidc-sdk ${sdk}, by private_key_jwt and pushed requests`, javaClient, radia);
  }

  for (const [name, start] of Object.entries({ nginx, caddy })) {
    if (wanted(name)) await behindProxy(report, name, start);
  }
});

/** A company whose people were pushed over SCIM and sign in at a simulated identity provider. */
async function companyWithProvider(report, vestibule, name = 'idp') {
  const { organization, directory, scim } = await vestibule.addCompany(report, { name: 'Acme', domain: 'acme.test' });
  const port = await workshop.freePort();
  const issuer = `http://127.0.0.1:${port}`;
  // Its client's redirect URI holds the connection's id, which exists only after the connection was made.
  const client = { id: 'vestibule', secret: report.hide('a-secret-of-this-run-only') };
  const connection = await vestibule.api('POST', `/organizations/${organization.id}/connections`, {
    protocol: 'oidc',
    name: 'Acme accounts',
    directory_id: directory.id,
    oidc: { issuer, client_id: client.id, client_secret: client.secret },
    join: { directory: 'externalId', claim: 'sub' },
  });
  const state = workshop.start(name, vestibule.program, [
    'simulate', 'idp', '--port', String(port), '--client-id', client.id, '--client-secret', client.secret,
    '--redirect-uri', connection.oidc.redirect_uri,
    '--person', 'Ada Lovelace', '--person', 'Grace Hopper', '--person', 'Alan Turing', '--person', 'Barbara Liskov', '--person', 'Radia Perlman',
  ]);
  await workshop.ready(state, async () => (await fetch(`${issuer}/.well-known/openid-configuration`)).ok);
  const { people } = await eventually('the simulated provider says who is there', () => {
    try { return JSON.parse(readFileSync(state.log, 'utf8').split('\n').find((line) => line.startsWith('{'))); } catch { return false; }
  });
  for (const person of people) {
    report.hide(person.password);
    const user = await scim.hire({ userName: person.user_name, externalId: person.sub, givenName: person.given_name, familyName: person.family_name, email: person.email });
    person.id = user.id;
  }
  return { scim, people };
}

async function companyWithPasswords(report, vestibule) {
  const organization = await vestibule.api('POST', '/organizations', { name: 'Globex', domains: ['globex.test'], policy: { password_login: true } });
  const password = report.hide('correct horse battery');
  const email = 'hank@globex.test';
  const user = await vestibule.api('POST', `/organizations/${organization.id}/users`, { user_name: email, email, display_name: 'Hank Scorpio', password });
  return { ...user, password };
}

/** A server of ours behind a proxy that guards a service by `GET /auth/verify`. */
async function behindProxy(report, name, start) {
  report.section(`${name} in front of a service, by GET /auth/verify as docs/openid.md has it`);
  const port = await workshop.freePort();
  const proxy = `http://127.0.0.1:${port}`;
  const vestibule = await startVestibule(workshop, report, { name: `vestibule-${name}`, behind: proxy });
  const service = new Service(await workshop.freePort());
  await service.start();
  workshop.atEnd(() => service.close());
  const started = await report.check('it starts, and leads to our pages', async () => {
    const version = await start(workshop, { port, vestibule: new URL(vestibule.url).port, service: service.port });
    await eventually('our discovery document through the proxy', async () => {
      const answer = await exchange(`${proxy}/.well-known/openid-configuration`).catch(() => undefined);
      return answer?.status === 200 && JSON.parse(answer.text).issuer === proxy;
    });
    return version;
  });
  if (!started) return;
  const { scim, people: [person] } = await companyWithProvider(report, vestibule, `idp-${name}`);
  await checkForwardAuth(report, { proxy, service, scim, person });
}

/** Signs in through an app as a browser sees it; deactivation over SCIM ends the app's own session. */
async function sessionOfAnApp(report, scim, person, { page, entrance, mark }) {
  const walker = new Walker();
  const filled = { email: person.email, username: person.user_name, password: person.password };
  const isInside = async () => (await walker.request(page)).text.includes(mark);
  await report.check('a visitor is led to us, signs in at the company, and is inside', async () => {
    ok(!(await exchange(page)).text.includes(mark), 'inside without a sign-in');
    const at = await walker.walk(entrance, filled, () => false);
    ok(at.page.text.includes(mark), `${at.page.status} at ${new URL(at.page.url).pathname}`);
    ok(await isInside(), 'the second visit asks again');
  });
  await report.check("SCIM deactivates the person: the app's own session ends", async () => {
    const began = performance.now();
    await scim.setActive(person.id, false);
    const answered = performance.now();
    await eventually('the session ends', async () => !(await isInside()), { within: 5_000, every: 5 });
    return `SCIM answered in ${Math.round(answered - began)} ms, session over ${Math.round(performance.now() - answered)} ms later`;
  });
  await report.check('a new sign-in is refused; after reactivation the old session stays over', async () => {
    const at = await new Walker().walk(entrance, filled, () => false);
    equal(at.page.status, 403, 'status');
    await scim.setActive(person.id, true);
    ok(!(await isInside()), 'the old session is back');
  });
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}
