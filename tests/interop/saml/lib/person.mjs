// The person who signs in: in Chromium, or by a script that presses what a page's script would press.
import { Walker, formsOf, titleOf } from '../../lib/walker.mjs';
import { eventually } from '../../lib/workshop.mjs';
import { messageIn, rootOf } from './messages.mjs';

const MESSAGE = 'input[name="SAMLRequest"], input[name="SAMLResponse"]';
const STEPS = 6;

/** What both kinds of person remember: each SAML message that their browser carried. */
class Carrier {
  messages = [];

  carry(method, url, body) {
    const message = messageIn(method, url, body);
    if (message) this.messages.push(message);
  }

  /** The newest message of this kind: `AuthnRequest`, `Response`, `LogoutRequest` or `LogoutResponse`. */
  last(root) {
    const message = this.messages.findLast((each) => rootOf(each) === root);
    if (!message) throw new Error(`the browser carried no ${root}`);
    return message;
  }
}

class ChromiumPerson extends Carrier {
  static async open(chromium) {
    const person = new ChromiumPerson();
    const context = await chromium.newContext({ viewport: { width: 1100, height: 800 } });
    context.on('request', (request) => {
      if (request.isNavigationRequest()) person.carry(request.method(), request.url(), request.postData());
    });
    person.page = await context.newPage();
    person.page.on('response', (response) => {
      if (response.request().isNavigationRequest() && response.frame() === person.page.mainFrame()) person.status = response.status();
    });
    return person;
  }

  /** Opens an address, answers what is asked, and gives the page at the end. `asked` says what was filled in. */
  async go(url, credentials = {}, { press } = {}) {
    await this.page.goto(url);
    const asked = [];
    for (let step = 0; step < STEPS; step += 1) {
      await this.#settle();
      const fields = [];
      for (const [name, value] of Object.entries(credentials)) {
        const field = this.page.locator(`input[name="${name}"]:visible:not([readonly])`);
        if (await field.count() > 0) fields.push([name, field.first(), value]);
      }
      const button = press && this.page.locator(press);
      if (fields.length === 0 && !(button && await button.count() > 0)) break;
      for (const [name, field, value] of fields) {
        await field.fill(value);
        asked.push(name);
      }
      await Promise.all([
        this.page.waitForEvent('framenavigated'),
        (fields.length > 0 ? this.page.locator('button[type="submit"], input[type="submit"]') : button).first().click(),
      ]);
    }
    return { ...await this.#see(), asked };
  }

  /** Waits until no page is under way and none shows a message that its script sends on. */
  #settle() {
    const resting = (message) => document.readyState === 'complete' && !document.querySelector(message);
    return eventually('the browser comes to rest', () => this.page.evaluate(resting, MESSAGE).catch(() => false), { within: 30_000 });
  }

  async #see() {
    const { page } = this;
    return {
      url: page.url(),
      status: this.status,
      title: (await page.locator('h1').first().textContent({ timeout: 2_000 }).catch(() => '')).trim().replace(/\s+/g, ' '),
      rule: await page.locator('dt:text-is("Rule") + dd').first().textContent({ timeout: 200 }).catch(() => undefined),
      text: (await page.locator('body').textContent()).replace(/\s+/g, ' '),
    };
  }
}

class ScriptedPerson extends Carrier {
  #walker = new Walker();

  constructor() {
    super();
    const request = this.#walker.request.bind(this.#walker);
    this.#walker.request = (url, options = {}) => {
      this.carry(options.method ?? 'GET', url, options.body);
      return request(url, options);
    };
  }

  async go(url, credentials = {}, { press } = {}) {
    let { page } = await this.#walker.open(url);
    const asked = [];
    for (let step = 0; step < STEPS * 2; step += 1) {
      const names = formsOf(page).flatMap(({ fields }) => Object.keys(fields));
      const filled = Object.keys(credentials).filter((name) => names.includes(name));
      const carries = names.some((name) => name === 'SAMLRequest' || name === 'SAMLResponse');
      if (!carries && filled.length === 0 && !(press && names.length > 0 && page.status < 400)) break;
      asked.push(...filled);
      ({ page } = await this.#walker.submit(page, credentials));
    }
    return {
      url: page.url,
      status: page.status,
      title: titleOf(page),
      rule: page.text.match(/<dt>Rule<\/dt>\s*<dd>([^<]*)/)?.[1],
      text: page.text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' '),
      asked,
    };
  }
}

/** A person with a browser of their own that knows no cookie yet. */
export const newPerson = (chromium) => (chromium ? ChromiumPerson.open(chromium) : new ScriptedPerson());
