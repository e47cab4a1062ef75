// A real Keycloak tells by shared signals that somebody's sessions are over: by push and by poll.
import { randomBytes } from 'node:crypto';

import { Keycloak, WITH_SIGNALS } from '../keycloak/keycloak.mjs';
import { WalkingVisitor } from '../keycloak/visitors.mjs';
import { drive, equal, ok } from '../lib/report.mjs';
import { SampleApp } from '../lib/sample_app.mjs';
import { startVestibule } from '../lib/vestibule.mjs';
import { exchange } from '../lib/walker.mjs';
import { Workshop, eventually, sleep } from '../lib/workshop.mjs';

const RECEIVER = 'vestibule-receiver';
const PUSH = 'urn:ietf:rfc:8935';
const POLL = 'urn:ietf:rfc:8936';
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/';
const SIGNALS = [
  '--features=ssf',
  '--spi-ssf-transmitter--default--allow-insecure-push-targets=true',
  '--spi-ssf-transmitter--default--outbox-drainer-interval=1s',
];

/** Keycloak's side of the streams, as its client for receivers sees it. */
class Streams {
  constructor(keycloak, secret) {
    this.keycloak = keycloak;
    this.secret = secret;
    this.tokenEndpoint = `${keycloak.issuer}/protocol/openid-connect/token`;
  }

  async configure() {
    const answer = await exchange(`${this.keycloak.url}/.well-known/ssf-configuration/realms/acme`);
    equal(answer.status, 200, 'status of the configuration');
    this.configuration = JSON.parse(answer.text);
    return this.configuration;
  }

  /** One call with a token of the client. */
  async call(method, url, body) {
    const token = await exchange(this.tokenEndpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: RECEIVER, client_secret: this.secret, scope: 'ssf.read ssf.manage' }).toString(),
    });
    const answer = await exchange(url, {
      method,
      headers: { authorization: `Bearer ${JSON.parse(token.text).access_token}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    ok(answer.status < 300, `Keycloak answered ${method} ${new URL(url).pathname} with ${answer.status}: ${answer.text.slice(0, 300)}`);
    return answer.text ? JSON.parse(answer.text) : undefined;
  }

  open(delivery) {
    return this.call('POST', this.configuration.configuration_endpoint, {
      delivery,
      events_requested: [`${CAEP}session-revoked`, `${CAEP}credential-change`],
      description: 'Vestibule',
    });
  }

  remove(id) {
    return this.call('DELETE', `${this.configuration.configuration_endpoint}?stream_id=${id}`);
  }

  /** Asks for a verification event; Keycloak sends one a minute. */
  verify(id) {
    const ask = () => this.call('POST', this.configuration.verification_endpoint, { stream_id: id, state: randomBytes(12).toString('base64url') });
    return eventually('Keycloak verifies the stream', () => ask().then(() => true, (error) => {
      if (!error.message.includes('too_many_requests')) throw error;
    }), { within: 90_000, every: 2_000 });
  }
}

const workshop = new Workshop('signals');

await drive('signals', workshop, async (report) => {
  const keycloak = new Keycloak(workshop, await workshop.freePort(), WITH_SIGNALS);
  const version = await keycloak.start(report, SIGNALS);
  report.say(`Keycloak ${version} with its feature "ssf" is the company's provider; it has no back-channel logout here`);
  const vestibule = await startVestibule(workshop, report);
  const company = await vestibule.addCompany(report, { name: 'Acme', domain: 'acme.test' });
  const clientSecret = report.hide(randomBytes(24).toString('base64url'));
  const password = report.hide(randomBytes(12).toString('base64url'));
  const app = new SampleApp(await workshop.freePort());
  workshop.atEnd(() => app.close());
  const streams = new Streams(keycloak, report.hide(randomBytes(24).toString('base64url')));
  const credentials = { password };
  let connection;
  let alice;
  let source;

  const setSource = async (change) => {
    source = await vestibule.api('PUT', `/connections/${connection.id}/signal-source`, { issuer: keycloak.issuer, ...change });
    report.hide(source.push_secret);
    return source;
  };
  const isVerified = async (stream) => {
    const before = (await vestibule.api('GET', `/connections/${connection.id}/signal-source`)).last_verified_at;
    await streams.verify(stream);
    await eventually('the verification arrives', async () => {
      const now = await vestibule.api('GET', `/connections/${connection.id}/signal-source`);
      return now.last_verified_at && now.last_verified_at !== before;
    }, { within: 60_000, every: 200 });
  };
  /** Signs in, lets Keycloak do something, and waits until the app's session is over by a signal of this event. */
  const endsTheSession = async (event, act) => {
    await isQuiet();
    const visitor = new WalkingVisitor();
    equal((await visitor.signIn(app, credentials)).title, 'Hello, Alice Arnold', 'title');
    const told = app.logouts.length;
    const known = new Set((await vestibule.api('GET', `/connections/${connection.id}/signals`)).data.map(({ id }) => id));
    const began = performance.now();
    await act();
    await eventually('the app is told', () => app.logouts.length > told, { within: 60_000, every: 5 });
    const took = Math.round(performance.now() - began);
    equal((await visitor.visit(app.url)).title, 'Signed out', 'title');
    const { data } = await vestibule.api('GET', `/connections/${connection.id}/signals`);
    const signal = data.find(({ id, effect, event: name }) => !known.has(id) && effect === 'ended' && name.endsWith(event));
    ok(signal, `no signal of ${event} ended anything: ${JSON.stringify(data.slice(0, 3))}`);
    return `subject ${signal.subject.format}, the app was told ${took} ms after Keycloak was`;
  };
  /** Keycloak may tell more than once of what it did, and a signal that comes during a login refuses it: until none has come for longer than a poll takes. */
  const isQuiet = async () => {
    let known = -1;
    for (let since = 0; since < 8_000; since += 500) {
      const { data } = await vestibule.api('GET', `/connections/${connection.id}/signals`);
      if (data.length !== known) since = 0;
      known = data.length;
      await sleep(500);
    }
  };
  const logOut = () => keycloak.call('POST', `/admin/realms/acme/users/${alice.id}/logout`);
  const newPassword = () => keycloak.call('PUT', `/admin/realms/acme/users/${alice.id}/reset-password`, { type: 'password', value: password, temporary: false });

  report.section('set up');
  const ready = await report.check('a connection without back-channel logout, a person, an app', async () => {
    connection = await vestibule.api('POST', `/organizations/${company.organization.id}/connections`, {
      protocol: 'oidc',
      name: 'Acme accounts',
      directory_id: company.directory.id,
      oidc: { issuer: keycloak.issuer, client_id: 'vestibule', client_secret: clientSecret },
      join: { directory: 'externalId', claim: 'sub' },
    });
    alice = await keycloak.importRealm({ redirectUri: connection.oidc.redirect_uri, backchannelLogoutUri: '', clientSecret, password });
    Object.assign(credentials, { email: alice.email, username: alice.username });
    await company.scim.hire({ userName: alice.email, externalId: alice.id, givenName: alice.firstName, familyName: alice.lastName });
    const application = await vestibule.api('POST', '/applications', app.registration('Fieldnotes'));
    report.hide(application.client_secret);
    await app.start(vestibule.url, application);
  });
  if (!ready) return;
  await report.check('Keycloak transmits, and its client for us may manage streams', async () => {
    const realm = await keycloak.call('GET', '/admin/realms/acme');
    await keycloak.call('PUT', '/admin/realms/acme', { ...realm, attributes: { ...realm.attributes, 'ssf.transmitterEnabled': 'true' } });
    await keycloak.call('POST', '/admin/realms/acme/clients', {
      clientId: RECEIVER,
      protocol: 'openid-connect',
      publicClient: false,
      serviceAccountsEnabled: true,
      standardFlowEnabled: false,
      secret: streams.secret,
      optionalClientScopes: ['ssf.read', 'ssf.manage'],
      attributes: { 'ssf.enabled': 'true', 'ssf.defaultSubjects': 'ALL', 'ssf.validPushUrls': `${vestibule.url}/*` },
    });
    const { spec_version: spec, delivery_methods_supported: methods } = await streams.configure();
    return `SSF ${spec}, ${methods.join(' and ')}`;
  });

  report.section('by push');
  let stream;
  await report.check('the stream is opened with our address and secret', async () => {
    await setSource({ method: 'push' });
    const { stream_id: id, aud, iss } = await streams.open({ method: PUSH, endpoint_url: source.push_url, authorization_header: `Bearer ${source.push_secret}` });
    equal(iss, keycloak.issuer, 'iss of the stream');
    stream = id;
    await setSource({ method: 'push', audience: String(aud) });
    ok(!source.push_secret, 'the secret stays');
  });
  await report.check('a verification event arrives', () => isVerified(stream));
  await report.check('an administrator signs the person out: session-revoked ends the session', () => endsTheSession('session-revoked', logOut));
  await report.check('a new password is set: credential-change ends the session', () => endsTheSession('credential-change', newPassword));
  await report.check('the stream is removed', () => streams.remove(stream));

  report.section('by poll');
  await report.check('the stream is opened, and we ask Keycloak for access tokens as its client', async () => {
    const { stream_id: id, aud, delivery } = await streams.open({ method: POLL });
    stream = id;
    await setSource({
      method: 'poll',
      audience: String(aud),
      poll_url: delivery.endpoint_url,
      poll_client: { token_endpoint: streams.tokenEndpoint, client_id: RECEIVER, client_secret: streams.secret, scope: 'ssf.read' },
    });
  });
  await report.check('a verification event arrives', () => isVerified(stream));
  await report.check('an administrator signs the person out: session-revoked ends the session', () => endsTheSession('session-revoked', logOut));
  await report.check('a new password is set: credential-change ends the session', () => endsTheSession('credential-change', newPassword));
  await report.check('what was fetched is acknowledged, and nothing is wrong', async () => {
    const { last_error: error } = await vestibule.api('GET', `/connections/${connection.id}/signal-source`);
    equal(error, null, 'last_error');
  });
  await report.check('the person is still active: that is for the directory to say', async () => {
    const { Resources: [person] } = await company.scim.call('GET', '/Users');
    equal(person.active, true, 'active');
  });
});
