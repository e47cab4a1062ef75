// Our server as a child process, and the world of one company made through its admin API.
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

import { finish } from './workshop.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The binary: `VESTIBULE_BIN`, or what `cargo build` makes. */
export async function binary() {
  if (process.env.VESTIBULE_BIN) return path.resolve(process.env.VESTIBULE_BIN);
  await finish('cargo', ['build', '--quiet', '-p', 'vestibule'], { cwd: root, within: 1_800_000 });
  const { said } = await finish('cargo', ['metadata', '--quiet', '--format-version', '1', '--no-deps'], { cwd: root });
  return path.join(JSON.parse(said).target_directory, 'debug', 'vestibule');
}

/** The binary of one of the examples. */
export async function example(name) {
  await finish('cargo', ['build', '--quiet', '-p', name], { cwd: root, within: 1_800_000 });
  const { said } = await finish('cargo', ['metadata', '--quiet', '--format-version', '1', '--no-deps'], { cwd: root });
  return path.join(JSON.parse(said).target_directory, 'debug', name);
}

/**
 * Starts a server with an empty SQLite database, or with the one that `VESTIBULE_DATABASE_URL` names.
 * `behind` is the URL of a proxy in front of it; such a server has a name and an SQLite database of its own.
 */
export async function startVestibule(workshop, report, { name = 'vestibule', behind } = {}) {
  const program = await binary();
  const port = await workshop.freePort();
  const url = `http://127.0.0.1:${port}`;
  const key = report.hide(randomBytes(32).toString('base64url'));
  const state = workshop.start(name, program, ['serve'], {
    env: {
      VESTIBULE_LISTEN: `127.0.0.1:${port}`,
      VESTIBULE_PUBLIC_URL: behind ?? url,
      VESTIBULE_DATABASE_URL: (!behind && process.env.VESTIBULE_DATABASE_URL) || `sqlite://${workshop.path(`${name}.db`)}`,
      VESTIBULE_MASTER_KEY: randomBytes(32).toString('base64'),
      VESTIBULE_BOOTSTRAP_API_KEY: key,
      VESTIBULE_ALLOW_PRIVATE_NETWORK: 'true',
      // The tools send as fast as they can.
      VESTIBULE_SCIM_REQUESTS_PER_SECOND: '100000',
    },
  });
  await workshop.ready(state, async () => (await fetch(`${url}/readyz`)).ok);
  return new Vestibule(url, program, key);
}

export class Vestibule {
  #key;

  constructor(url, program, key) {
    this.url = url;
    this.program = program;
    this.#key = key;
  }

  /** One call of the admin API; an answer outside 2xx throws with what it said. */
  api(method, place, body) {
    return call(method, `${this.url}/api/v1${place}`, this.#key, body, 'application/json');
  }

  /** Gives an organization its logo. */
  async putLogo(organization, image) {
    const response = await fetch(`${this.url}/api/v1/organizations/${organization}/logo`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'image/png' },
      body: image,
    });
    if (!response.ok) throw new Error(`the logo was answered ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** An organization with its domain, its directory and the directory's token. */
  async addCompany(report, { name, domain, directory = {}, policy }) {
    const organization = await this.api('POST', '/organizations', { name, domains: [domain], ...(policy && { policy }) });
    const made = await this.api('POST', `/organizations/${organization.id}/directories`, { name: `${name} directory`, ...directory });
    const { token } = await this.api('POST', `/directories/${made.id}/tokens`, { name: 'interop' });
    report.hide(token);
    return { organization, directory: made, scim: new Scim(made.scim_url, token) };
  }
}

/** A directory that pushes people, in the words of RFC 7644. */
export class Scim {
  constructor(url, token) {
    this.url = url.replace(/\/$/, '');
    this.token = token;
  }

  call(method, place, body) {
    return call(method, `${this.url}${place}`, this.token, body, 'application/scim+json');
  }

  hire({ userName, externalId, givenName, familyName, email = userName, password }) {
    return this.call('POST', '/Users', {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName,
      externalId,
      name: { givenName, familyName },
      displayName: `${givenName} ${familyName}`,
      emails: [{ value: email, type: 'work', primary: true }],
      active: true,
      ...(password && { password }),
    });
  }

  setActive(id, active) {
    return this.call('PATCH', `/Users/${id}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'active', value: active }],
    });
  }
}

async function call(method, url, token, body, type) {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': type }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${new URL(url).pathname} answered ${response.status}: ${text.slice(0, 400)}`);
  return text ? JSON.parse(text) : null;
}
