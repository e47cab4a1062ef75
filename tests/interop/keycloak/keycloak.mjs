// A real Keycloak 26 on loopback: `KEYCLOAK_HOME`, or a distribution from Maven Central, kept between runs.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

import { exchange } from '../lib/walker.mjs';
import { Absent, cacheFolder, finish } from '../lib/workshop.mjs';

const VERSION = '26.4.5';
/** The first one that has a transmitter of shared signals. */
export const WITH_SIGNALS = '26.7.0';

async function home(version) {
  try {
    const { said } = await finish('java', ['-version']);
    const major = Number(said.match(/version "(\d+)/)?.[1]);
    if (!(major >= 17)) throw new Absent(`Keycloak ${version} needs Java 17 or newer; here is ${said.split('\n')[0]}`);
  } catch (error) {
    throw error instanceof Absent ? error : new Absent(`Java is not installed, and Keycloak ${version} needs 17 or newer`);
  }
  if (process.env.KEYCLOAK_HOME) {
    if (!existsSync(path.join(process.env.KEYCLOAK_HOME, 'bin/kc.sh'))) throw new Absent('KEYCLOAK_HOME holds no bin/kc.sh');
    return process.env.KEYCLOAK_HOME;
  }
  const folder = path.join(cacheFolder(), `keycloak-${version}`);
  if (existsSync(path.join(folder, 'complete'))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cacheFolder(), { recursive: true });
  const download = path.join(cacheFolder(), 'keycloak-download');
  try {
    await finish('mvn', ['--batch-mode', '--quiet', 'dependency:copy', `-Dartifact=org.keycloak:keycloak-quarkus-dist:${version}:zip`, `-DoutputDirectory=${download}`], { cwd: cacheFolder(), within: 900_000 });
    const archive = readdirSync(download).find((file) => file.endsWith('.zip'));
    await finish('unzip', ['-q', path.join(download, archive), '-d', cacheFolder()]);
  } catch (error) {
    throw new Absent(`KEYCLOAK_HOME is not set, and Maven did not bring Keycloak ${version}: ${error.message.split('\n')[0].slice(0, 200)}`);
  }
  rmSync(download, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'complete'));
  return folder;
}

export class Keycloak {
  #admin = { username: 'interop', password: randomBytes(24).toString('base64url') };

  constructor(workshop, port, version = VERSION) {
    this.workshop = workshop;
    this.version = version;
    this.local = `http://127.0.0.1:${port}`;
    this.url = `http://idp.localhost:${port}`;
    this.issuer = `${this.url}/realms/acme`;
    this.port = port;
  }

  /** Starts it with a database in memory and further options; gives the version back. */
  async start(report, options = []) {
    const folder = await home(this.version);
    report.hide(this.#admin.password);
    const state = this.workshop.start('keycloak', path.join(folder, 'bin/kc.sh'), [
      'start-dev', '--db=dev-mem', '--http-host=127.0.0.1', `--http-port=${this.port}`, `--hostname=${this.url}`, ...options,
    ], {
      env: { KC_BOOTSTRAP_ADMIN_USERNAME: this.#admin.username, KC_BOOTSTRAP_ADMIN_PASSWORD: this.#admin.password },
    });
    await this.workshop.ready(state, async () => (await fetch(`${this.local}/realms/master/.well-known/openid-configuration`)).ok, 600_000);
    return readFileSync(state.log, 'utf8').match(/Keycloak (\S+) on JVM/)?.[1];
  }

  /** Imports the realm with our client in it, and gives the user id of its person back. */
  async importRealm({ redirectUri, backchannelLogoutUri, clientSecret, password }) {
    const realm = JSON.parse(readFileSync(new URL('realm.json', import.meta.url), 'utf8'));
    const [client] = realm.clients;
    client.secret = clientSecret;
    client.redirectUris = [redirectUri];
    client.attributes['backchannel.logout.url'] = backchannelLogoutUri;
    realm.users[0].credentials = [{ type: 'password', value: password, temporary: false }];
    await this.call('POST', '/admin/realms', realm);
    const [alice] = await this.call('GET', '/admin/realms/acme/users?username=alice&exact=true');
    return alice;
  }

  /** One call of Keycloak's admin API; a body that is text goes as it is. */
  async call(method, place, body, type = 'application/json') {
    const token = await exchange(`${this.local}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...this.#admin }).toString(),
    });
    const answer = await exchange(this.local + place, {
      method,
      headers: { authorization: `Bearer ${JSON.parse(token.text).access_token}`, 'content-type': type },
      body: typeof body === 'string' ? body : body && JSON.stringify(body),
    });
    if (answer.status >= 300) throw new Error(`Keycloak answered ${method} ${place} with ${answer.status}: ${answer.text.slice(0, 300)}`);
    return answer.text ? JSON.parse(answer.text) : undefined;
  }
}
