// Our server, one company with its directory, an app, and the company's connection by SAML.
import { openChromium } from '../../lib/chromium.mjs';
import { equal, ok } from '../../lib/report.mjs';
import { SampleApp } from '../../lib/sample_app.mjs';
import { startVestibule } from '../../lib/vestibule.mjs';
import { eventually } from '../../lib/workshop.mjs';
import { protection } from './messages.mjs';
import { newPerson } from './person.mjs';

export class Hall {
  static async open(workshop, report) {
    const hall = new Hall();
    hall.vestibule = await startVestibule(workshop, report);
    hall.company = await hall.vestibule.addCompany(report, { name: 'Acme', domain: 'acme.test' });
    hall.app = new SampleApp(await workshop.freePort());
    workshop.atEnd(() => hall.app.close());
    const application = { ...hall.app.registration('Fieldnotes'), initiate_login_uri: `${hall.app.url}/login` };
    hall.application = await hall.vestibule.api('POST', '/applications', application);
    report.hide(hall.application.client_secret);
    await hall.app.start(hall.vestibule.url, hall.application);
    hall.chromium = await openChromium(workshop);
    return hall;
  }

  browser() {
    return this.chromium ? `Chromium ${this.chromium.version()}` : 'a scripted browser: there is no Chromium here';
  }

  /** Makes the connection; the directory's user name is the claim of `join`. */
  async connect(saml, { claim, ...more }) {
    this.connection = await this.vestibule.api('POST', `/organizations/${this.company.organization.id}/connections`, {
      protocol: 'saml',
      directory_id: this.company.directory.id,
      saml,
      join: { directory: 'userName', claim },
      ...more,
    });
    return this.connection;
  }

  async change(changes) {
    this.connection = await this.vestibule.api('PATCH', `/connections/${this.connection.id}`, changes);
    return this.connection;
  }

  /** Our metadata at the connection, as an identity provider reads it. */
  async metadata() {
    const answer = await fetch(this.connection.saml.metadata_url);
    ok(answer.ok, `our metadata answers ${answer.status}`);
    return answer.text();
  }

  hire(person) {
    return this.company.scim.hire(person);
  }

  /** The newest login record: what held, or which rule refused. */
  async lastLogin() {
    const { data } = await this.vestibule.api('GET', `/organizations/${this.company.organization.id}/logins?limit=1`);
    return data[0];
  }

  person() {
    return newPerson(this.chromium);
  }

  /** Begins at the app, and ends wherever the browser comes to rest. */
  visit(person, credentials, query = {}) {
    const search = new URLSearchParams({ organization: this.company.organization.id, ...query });
    return person.go(`${this.app.url}/login?${search}`, credentials);
  }

  /** Signs somebody in to the app; gives back how the response was protected. */
  async signIn(credentials, { person, query, name } = {}) {
    const visitor = person ?? await this.person();
    const page = await this.visit(visitor, credentials, query);
    if (page.title !== `Hello, ${name ?? 'Alice Arnold'}`) throw new Error(await this.#why(page));
    const login = await this.lastLogin();
    equal(login.outcome, 'succeeded', 'the login record');
    return { person: visitor, page, login, shape: protection(visitor.last('Response')) };
  }

  /** A sign-in that our side has to refuse, by this rule, in the record and on our page; of what is inside an encrypted assertion the page tells nothing. */
  async refused(credentials, rule, { person } = {}) {
    const visitor = person ?? await this.person();
    const page = await this.visit(visitor, credentials);
    const shown = [rule, ...(visitor.messages.length > 0 && /encrypted/.test(protection(visitor.last('Response'))) ? ['decryption'] : [])];
    ok(page.status === 403 && shown.includes(page.rule), await this.#why(page, rule));
    const login = await this.lastLogin();
    equal(login.rule, rule, 'the record\'s rule');
    return { person: visitor, page, login };
  }

  async #why(page, wanted = 'the app') {
    const login = await this.lastLogin().catch(() => undefined);
    const record = login && login.outcome !== 'succeeded' ? `; the record: ${login.rule} ${JSON.stringify(login.report?.refused ?? login.report ?? '').slice(0, 300)}` : '';
    return `wanted ${wanted}, and came to ${page.status} "${page.title}" at ${new URL(page.url).host}${new URL(page.url).pathname}, rule ${page.rule}${record}${page.title ? '' : `; ${page.text.slice(0, 200)}`}`;
  }

  /** The live sessions of a user here. */
  async sessions(user) {
    return (await this.vestibule.api('GET', `/users/${user.id}/sessions`)).data;
  }

  /** Runs what ends a sign-in, and waits until ours and the app's are over. */
  async ends(person, user, action) {
    const before = this.app.logouts.length;
    await action();
    await eventually('the app is told', () => this.app.logouts.length > before, { within: 5_000 });
    ok(this.app.logouts.slice(before).every(({ payload }) => payload.sub === user.id), 'a logout token names somebody else');
    const signedOut = async () => (await person.go(this.app.url)).title === 'Signed out';
    await eventually('the app\'s session ends', signedOut, { within: 5_000, every: 50 });
    await this.notSignedInHere(person);
  }

  /** The browser has no sign-in here any more: a silent one fails. */
  async notSignedInHere(person) {
    const page = await this.visit(person, {}, { prompt: 'none' });
    ok(page.title === 'Not signed in', `a silent sign-in led to "${page.title}"`);
  }
}
