// The person who signs in: with a real browser, or by a scripted form walk.
import { mkdirSync } from 'node:fs';
import path from 'node:path';

import { Walker, titleOf } from '../lib/walker.mjs';

/** A person with a browser. */
export class BrowserVisitor {
  sites = [];

  static async open(chromium, workshop) {
    const visitor = new BrowserVisitor();
    const context = await chromium.newContext({ viewport: { width: 1100, height: 800 } });
    visitor.page = await context.newPage();
    visitor.folder = process.env.INTEROP_PICTURES ?? workshop.path('pictures');
    mkdirSync(visitor.folder, { recursive: true });
    visitor.page.on('framenavigated', (frame) => {
      const { hostname } = new URL(frame.url());
      if (frame === visitor.page.mainFrame() && hostname && visitor.sites.at(-1) !== hostname) visitor.sites.push(hostname);
    });
    visitor.page.on('response', (response) => {
      if (response.request().isNavigationRequest() && response.frame() === visitor.page.mainFrame()) visitor.status = response.status();
    });
    return visitor;
  }

  async visit(url) {
    await this.page.goto(url);
    return this.#see();
  }

  /** Presses the app's button and fills in what is asked, until nothing is asked. */
  async signIn(app, credentials, pictures) {
    await this.page.goto(app.url);
    this.sites = [new URL(app.url).hostname];
    await this.page.getByRole('link', { name: 'Sign in' }).click();
    for (let step = 0; step < 4; step += 1) {
      await this.page.waitForLoadState('load');
      const fields = [];
      for (const [name, value] of Object.entries(credentials)) {
        const field = this.page.locator(`input[name="${name}"]:visible:not([readonly])`);
        if (await field.count() > 0) fields.push([field.first(), value]);
      }
      if (fields.length === 0) break;
      for (const [field, value] of fields) await field.fill(value);
      if (pictures) await this.picture(`${pictures}-${step + 1}`);
      await Promise.all([
        this.page.waitForEvent('framenavigated'),
        this.page.locator('button[type="submit"], input[type="submit"]').first().click(),
      ]);
    }
    return this.#see();
  }

  async #see() {
    await this.page.waitForLoadState('load');
    return {
      status: this.status,
      title: (await this.page.locator('h1').first().textContent()).trim(),
      rule: await this.page.locator('dt:text-is("Rule") + dd').first().textContent({ timeout: 500 }).catch(() => undefined),
    };
  }

  async picture(name) {
    await this.page.screenshot({ path: path.join(this.folder, `${name}.png`) });
  }
}

/** The same person without a browser. */
export class WalkingVisitor {
  #walker = new Walker();

  sites = ['form walk'];

  async visit(url) {
    return this.#see((await this.#walker.open(url)).page);
  }

  async signIn(app, credentials) {
    return this.#see((await this.#walker.walk(`${app.url}/login`, credentials, () => false)).page);
  }

  #see(page) {
    return { status: page.status, title: titleOf(page), rule: page.text.match(/<dt>Rule<\/dt><dd>([^<]*)/)?.[1] };
  }

  async picture() {}
}
