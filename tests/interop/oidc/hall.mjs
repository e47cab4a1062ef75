// Our server, one company for each product, and the app that its people use.
import { randomBytes } from 'node:crypto';

import { equal, ok } from '../lib/report.mjs';
import { SampleApp } from '../lib/sample_app.mjs';
import { startVestibule } from '../lib/vestibule.mjs';
import { Walker, exchange, formsOf, titleOf } from '../lib/walker.mjs';
import { eventually, sleep } from '../lib/workshop.mjs';

export const secretOf = (report) => report.hide(randomBytes(24).toString('base64url'));

/** The header and claims of a JWT, unverified. */
export function read(jwt) {
  const [header, claims] = jwt.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  return { header, claims };
}

export class Hall {
  static async open(workshop, report) {
    const hall = new Hall();
    /** What has to wait until a while has passed. */
    hall.later = [];
    Object.assign(hall, { workshop, report, vestibule: await startVestibule(workshop, report) });
    hall.app = new SampleApp(await workshop.freePort());
    workshop.atEnd(() => hall.app.close());
    const application = await hall.vestibule.api('POST', '/applications', hall.app.registration('Fieldnotes'));
    report.hide(application.client_secret);
    await hall.app.start(hall.vestibule.url, application);
    return hall;
  }

  /** A company with a directory; each product has its own. */
  async company(name, domain) {
    const company = await this.vestibule.addCompany(this.report, { name, domain });
    return new Company(this, company);
  }
}

export class Company {
  constructor(hall, { organization, directory, scim }) {
    Object.assign(this, { hall, organization, directory, scim });
  }

  connect(name, oidc, join = { directory: 'externalId', claim: 'sub' }) {
    return this.hall.vestibule.api('POST', `/organizations/${this.organization.id}/connections`, {
      protocol: 'oidc', name, oidc, join, directory_id: this.directory.id,
    });
  }

  change(connection, change) {
    return this.hall.vestibule.api('PATCH', `/connections/${connection.id}`, change);
  }

  rotate(connection, activate) {
    return this.hall.vestibule.api('POST', `/connections/${connection.id}/keys/rotate`, { purpose: 'signing', activate });
  }

  /** Our next key is published now, and taken into use at the end of the run, when nobody keeps the old key set any more. */
  async rotates(connection, user, person, look) {
    const { report, later } = this.hall;
    let used;
    const ready = await report.check('our next key is published, and not taken into use while the provider may keep the old key set', async () => {
      used = await look();
      await this.rotate(connection, false);
      await this.isIn(new Person(person), connection, user.id);
      const early = await this.rotate(connection, true).then(() => 'accepted', (error) => error.message);
      ok(early.includes('answered 409'), `activation was ${early}`);
    });
    const published = Date.now();
    if (!ready) return;
    later.push([`${this.organization.name}: our next key is taken into use, and nobody waits`, async () => {
      const wait = published + 305_000 - Date.now();
      if (wait > 0) await sleep(wait);
      await this.scim.setActive(user.id, true);
      await this.rotate(connection, true);
      await this.isIn(new Person(person), connection, user.id);
      await look(used);
    }]);
  }

  /** Signs in at the app through a connection: the page where the person ends up, with the places on the way. */
  async signIn(person, connection) {
    const query = new URLSearchParams({ organization: this.organization.id, connection: connection.id });
    return person.walk(`${this.hall.app.url}/login?${query}`);
  }

  /** The person is in; gives the claims that the app got. */
  async isIn(person, connection, sub) {
    const page = await this.signIn(person, connection);
    ok(page.status === 200 && page.url.startsWith(this.hall.app.url), `${page.url} answered ${page.status}: ${titleOf(page)} ${await this.lastRefusal()}`);
    equal(this.hall.app.lastClaims.sub, sub, 'sub');
    return this.hall.app.lastClaims;
  }

  /** The person is refused on our page, under this rule. */
  async isRefused(person, connection, rule) {
    const page = await this.signIn(person, connection);
    equal(page.status, 403, `${titleOf(page)}: status`);
    const [login] = (await this.hall.vestibule.api('GET', `/organizations/${this.organization.id}/logins?limit=1`)).data;
    equal(login.rule, rule, 'rule');
    ok(page.text.includes(login.id), 'the page names the record');
    return `${titleOf(page)}; rule ${rule}, got ${login.got ?? 'nothing'}; ${login.fault} has to act`;
  }

  async lastRefusal() {
    const [login] = (await this.hall.vestibule.api('GET', `/organizations/${this.organization.id}/logins?limit=1`)).data;
    return login ? `(last login: ${login.outcome} ${login.rule ?? ''} ${login.got ?? ''})` : '';
  }

  /** Signs out at the app; the page where that ends. */
  signOut(person) {
    return person.walk(`${this.hall.app.url}/logout`);
  }

  async told(what, within = 5_000) {
    const before = this.hall.app.logouts.length;
    const began = performance.now();
    await what();
    await eventually('the app is told', () => this.hall.app.logouts.length > before, { within });
    return `the app was told after ${Math.round(performance.now() - began)} ms`;
  }
}

/** A person with a browser that fills in what it knows. */
export class Person {
  constructor(known) {
    this.known = known;
    this.walker = new Walker();
    this.places = [];
  }

  async walk(url) {
    this.places = [];
    const note = (next) => { this.places.push(next); return false; };
    let { page } = await this.walker.open(url, note);
    for (let step = 0; step < 8 && formsOf(page).length > 0 && page.status < 400; step += 1) {
      ({ page } = await this.walker.submit(page, this.known, note));
    }
    return page;
  }

  /** The query of the request that reached an address. */
  queryAt(address) {
    const place = this.places.find((url) => url.startsWith(address));
    ok(place, `nothing led to ${address}`);
    return Object.fromEntries(new URL(place).searchParams);
  }
}

/** What every provider has to show; `people` are strangers to the directory until they are hired. */
export async function common(company, { connection, secret, refusedAs = 'token_refused', person, subject, sub }) {
  const { report } = company.hall;
  await report.check('a person whom no directory pushed is refused', () => company.isRefused(new Person(person), connection, 'not_provisioned'));
  const user = await company.scim.hire({ userName: `${subject}@acme.test`, externalId: sub, givenName: 'Alice', familyName: 'Arnold' });
  await report.check('pushed by SCIM, the person is in', async () => {
    const claims = await company.isIn(new Person(person), connection, user.id);
    return `acr ${claims.acr}, amr ${JSON.stringify(claims.amr)}`;
  });
  if (secret) {
    await report.check('with a wrong secret the record tells what the provider answered', async () => {
      await company.change(connection, { oidc: { client_secret: 'wrong' } });
      try {
        return await company.isRefused(new Person(person), connection, refusedAs);
      } finally {
        await company.change(connection, { oidc: { client_secret: secret } });
      }
    });
    await report.check('with the right one again the person is in', () => company.isIn(new Person(person), connection, user.id).then(() => undefined));
  }
  return user;
}

export async function fired(company, user, person, connection) {
  const { report } = company.hall;
  await report.check('SCIM deactivates the person: the app is told, and the next login is refused', async () => {
    await company.isIn(new Person(person), connection, user.id);
    const told = await company.told(() => company.scim.setActive(user.id, false));
    return `${told}; ${await company.isRefused(new Person(person), connection, 'deactivated')}`;
  });
}

export { exchange };
