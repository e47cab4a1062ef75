// npm oidc-provider as the company's provider, in this process.
import { createRequire } from 'node:module';

import { equal, ok } from '../lib/report.mjs';
import { Person, common, fired, read, secretOf } from './hall.mjs';

const { version } = createRequire(import.meta.url)('oidc-provider/package.json');

export async function node(hall) {
  const { report, workshop } = hall;
  report.section(`npm oidc-provider ${version}`);
  const port = await workshop.freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const company = await hall.company('Node', 'node.test');
  const secret = secretOf(report);
  const basic = await company.connect('by secret', { issuer, client_id: 'basic', client_secret: secret, pushed_requests: 'never' });
  const keyed = await company.connect('by key', { issuer, client_id: 'keyed', client_auth: 'private_key_jwt', logout_at_provider: true });
  const thin = await company.connect('by address', { issuer, client_id: 'basic', client_secret: secret }, { directory: 'emails.value', claim: 'email' });
  const seen = await serve(port, issuer, secret, { basic, keyed, thin }, workshop);
  const alice = { login: 'alice', password: 'x' };
  const user = await common(company, { connection: basic, secret, person: alice, subject: 'alice', sub: 'alice' });

  await report.check('private_key_jwt and pushed requests, which the provider demands of this client', async () => {
    const person = new Person(alice);
    await company.isIn(person, keyed, user.id);
    const query = person.queryAt(`${issuer}/auth`);
    equal(Object.keys(query).sort().join(), 'client_id,request_uri', 'what the browser carried');
    const [pushed, exchanged] = seen.assertions.slice(-2).map(read);
    equal(pushed.claims.aud, issuer, 'aud');
    ok(pushed.claims.jti !== exchanged.claims.jti, 'a jti twice');
    return `${pushed.header.alg}, aud the issuer, good for ${pushed.claims.exp - pushed.claims.iat} s`;
  });
  await company.rotates(keyed, user, alice, async (used) => {
    const kid = read(seen.assertions.at(-1)).header.kid;
    ok(used === undefined || used !== kid, 'the same key');
    return kid;
  });
  await report.check('claims that stand in userinfo only join the person', async () => {
    await company.hall.vestibule.api('PATCH', `/organizations/${company.organization.id}`, { domains: ['node.test', 'acme.test'] });
    await company.isIn(new Person(alice), thin, user.id);
    return `${seen.userinfo} userinfo answered`;
  });
  await report.check('signing out at the app signs out at the provider, and comes back', async () => {
    const person = new Person(alice);
    await company.isIn(person, keyed, user.id);
    const page = await company.signOut(person);
    const query = person.queryAt(`${issuer}/session/end`);
    ok(query.id_token_hint && query.state, 'no hint or no state');
    ok(page.url.startsWith(hall.app.url), `ended at ${page.url}`);
    const again = await person.walker.open(`${issuer}/auth?client_id=basic&response_type=code&scope=openid&prompt=none&redirect_uri=${encodeURIComponent(basic.oidc.redirect_uri)}&code_challenge=${'x'.repeat(43)}&code_challenge_method=S256`, (url) => url.startsWith(basic.oidc.redirect_uri));
    ok(again.stopped?.includes('login_required'), `the provider's session is still there: ${again.stopped}`);
  });
  await report.check('the provider ends its session: back-channel logout ends ours, and the app is told', async () => {
    const person = new Person(alice);
    await company.isIn(person, basic, user.id);
    // The person signs out at the provider itself, without us.
    return company.told(() => person.walk(`${issuer}/session/end`));
  });
  await fired(company, user, alice, basic);
}

async function serve(port, issuer, secret, { basic, keyed, thin }, workshop) {
  const { Provider } = await import('oidc-provider');
  const seen = { assertions: [], userinfo: 0 };
  const common = { response_types: ['code'], grant_types: ['authorization_code'], backchannel_logout_session_required: true };
  const provider = new Provider(issuer, {
    clients: [
      {
        ...common,
        client_id: 'basic',
        client_secret: secret,
        redirect_uris: [basic.oidc.redirect_uri, thin.oidc.redirect_uri],
        backchannel_logout_uri: basic.oidc.backchannel_logout_uri,
      },
      {
        ...common,
        client_id: 'keyed',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks_uri: keyed.oidc.jwks_uri,
        redirect_uris: [keyed.oidc.redirect_uri],
        post_logout_redirect_uris: [keyed.oidc.post_logout_redirect_uri],
        backchannel_logout_uri: keyed.oidc.backchannel_logout_uri,
        require_pushed_authorization_requests: true,
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@acme.test`, email_verified: true, name: id }) }),
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        // Its own page has the buttons outside of the form, where a walk without a browser does not look.
        logoutSource: (context, form) => { context.body = form.replace('</form>', '<button name="logout" value="yes">Sign out</button></form>'); },
      },
    },
    // It refuses loopback addresses otherwise, as we do.
    fetch: (url, options) => { const plain = { ...options }; delete plain.dispatcher; return fetch(url, plain); },
  });
  provider.use(async (context, next) => {
    await next();
    const body = context.oidc?.body;
    if (body?.client_assertion) seen.assertions.push(body.client_assertion);
    if (context.oidc?.route === 'userinfo') seen.userinfo += 1;
  });
  const server = provider.listen(port, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  workshop.atEnd(() => { server.closeAllConnections(); server.close(); });
  return seen;
}
