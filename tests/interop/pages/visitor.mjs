// A person with a fresh browser, who sees what the pages' own scripts would hurry past.

/** One browser context with one page. */
export class Visitor {
  complaints = [];

  static async open(chromium, options) {
    const visitor = new Visitor();
    visitor.context = await chromium.newContext(options);
    // Forms that post themselves stay, so that they can be looked at; without scripts a person presses their button.
    await visitor.context.route('**/assets/forward.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
    visitor.page = await visitor.context.newPage();
    visitor.page.on('console', (message) => {
      const wrong = message.type() === 'error' && !message.text().startsWith('Failed to load resource: the server responded');
      if (wrong) visitor.complaints.push(message.text());
    });
    visitor.page.on('pageerror', (error) => visitor.complaints.push(error.message));
    return visitor;
  }

  async visit(url) {
    await this.#seen(await this.page.goto(url));
  }

  /** Fills the named fields and sends the form. */
  async fill(fields) {
    for (const [name, value] of Object.entries(fields)) await this.page.fill(`input[name="${name}"]:not([type=hidden])`, value);
    await this.press();
  }

  /** Presses the page's first button. */
  async press() {
    const answered = this.page.waitForEvent('response', (response) => {
      const { status, request } = { status: response.status(), request: response.request() };
      return request.isNavigationRequest() && (status < 300 || status >= 400);
    });
    await this.page.locator('form button[type=submit]').first().click();
    const response = await answered;
    await this.page.waitForLoadState('load');
    await this.#seen(response);
  }

  has(name) {
    return this.page.locator(`input[name="${name}"]:not([type=hidden])`).count().then((count) => count > 0);
  }

  close() {
    return this.context.close();
  }

  async #seen(response) {
    this.status = response.status();
    this.headers = await response.allHeaders();
  }
}
