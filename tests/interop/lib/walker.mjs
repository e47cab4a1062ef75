// A browser without a screen or scripts: cookies, redirects, forms. Loopback only.
import http from 'node:http';

const loopback = (host) => host === '127.0.0.1' || host === 'localhost' || host.endsWith('.localhost');

/** One exchange. It follows nothing and keeps every Set-Cookie line apart. */
export function exchange(url, { method = 'GET', headers = {}, body } = {}) {
  const target = new URL(url);
  if (!loopback(target.hostname) || target.protocol !== 'http:') throw new Error(`${target.origin} is not a loopback address`);
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1',
      port: target.port,
      path: target.pathname + target.search,
      method,
      headers: { host: target.host, accept: '*/*', ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }), ...headers },
    }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ url, status: response.statusCode, headers: response.headers, text });
      });
    });
    request.setTimeout(60_000, () => request.destroy(new Error(`${target.pathname} did not answer`)));
    request.once('error', reject);
    request.end(body);
  });
}

export const postForm = (url, fields, headers = {}) => exchange(url, {
  method: 'POST',
  body: new URLSearchParams(fields).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
});

class Cookies {
  #kept = [];

  keep(url, lines = []) {
    const { hostname } = new URL(url);
    for (const line of lines) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const [name, value] = split(pair, '=');
      const given = Object.fromEntries(attributes.map((part) => split(part, '=')).map(([key, text]) => [key.toLowerCase(), text]));
      const path = given.path || '/';
      this.#kept = this.#kept.filter((cookie) => !(cookie.name === name && cookie.hostname === hostname && cookie.path === path));
      const over = (given['max-age'] !== undefined && Number(given['max-age']) <= 0) || (given.expires && Date.parse(given.expires) <= Date.now());
      if (!over) this.#kept.push({ name, value, hostname, path });
    }
  }

  header(url) {
    const { hostname, pathname } = new URL(url);
    const below = (path) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
    return this.#kept.filter((cookie) => cookie.hostname === hostname && below(cookie.path)).map(({ name, value }) => `${name}=${value}`).join('; ');
  }
}

function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const plain = (html) => html
  .replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
  .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
  .replace(/&(amp|lt|gt|quot|apos);/g, (_, name) => ENTITIES[name]);

function attribute(tag, name) {
  const found = tag.match(new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i'));
  return found ? plain(found[1] ?? found[2] ?? found[3] ?? '') : undefined;
}

/** The forms of a page, with the fields that a click on the first button sends. */
export function formsOf(page) {
  return [...page.text.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head, inside]) => {
    const fields = {};
    let pressed = false;
    for (const [, element, attributes] of inside.matchAll(/<(input|button)\b([^>]*)>/gi)) {
      const name = attribute(attributes, 'name');
      const type = (attribute(attributes, 'type') ?? (element === 'button' ? 'submit' : 'text')).toLowerCase();
      if (!name || (['checkbox', 'radio'].includes(type) && !/\schecked\b/i.test(attributes))) continue;
      if (type === 'submit' && pressed) continue;
      pressed ||= type === 'submit';
      fields[name] = attribute(attributes, 'value') ?? '';
    }
    return {
      action: new URL(attribute(head, 'action') || page.url, page.url).href,
      method: (attribute(head, 'method') || 'get').toLowerCase(),
      fields,
    };
  });
}

/** Where a page leads on by itself: `<meta http-equiv="refresh">`. */
function leadsOnTo(page) {
  const tag = page.text.match(/<meta\b[^>]*http-equiv\s*=\s*["']?refresh[^>]*>/i)?.[0];
  const target = tag && attribute(tag, 'content')?.match(/url\s*=\s*(.+)$/i)?.[1];
  return target && new URL(target.replace(/^['"]|['"]$/g, ''), page.url).href;
}

export const callbackOf = (redirectUri) => (url) => url === redirectUri || url.startsWith(`${redirectUri}?`);

/** One browser with its cookies. */
export class Walker {
  #cookies = new Cookies();

  async request(url, options = {}) {
    const cookie = this.#cookies.header(url);
    const answer = await exchange(url, { ...options, headers: { ...options.headers, ...(cookie && { cookie }) } });
    this.#cookies.keep(url, answer.headers['set-cookie']);
    return answer;
  }

  /** Follows redirects to a page, or to a URL at which `stop` is true: that one is not asked for. */
  async follow(answer, stop = () => false) {
    for (let step = 0; step < 25; step += 1) {
      const redirect = answer.status >= 300 && answer.status < 400 && answer.headers.location;
      const next = redirect ? new URL(redirect, answer.url).href : leadsOnTo(answer);
      if (!next) return { page: answer };
      if (stop(next)) return { stopped: next };
      answer = await this.request(next);
    }
    throw new Error('the redirects do not end');
  }

  async open(url, stop) {
    return this.follow(await this.request(url), stop);
  }

  async submit(page, filled, stop) {
    const forms = formsOf(page);
    const form = forms.find(({ fields }) => Object.keys(fields).some((name) => name in filled)) ?? forms.find(({ method }) => method === 'post') ?? forms[0];
    if (!form) throw new Error(`no form at ${new URL(page.url).pathname} (${page.status}): ${titleOf(page)}`);
    const known = Object.fromEntries(Object.entries(filled).filter(([name]) => name in form.fields));
    const sent = new URLSearchParams({ ...form.fields, ...known }).toString();
    const answer = form.method === 'post'
      ? await this.request(form.action, { method: 'POST', body: sent, headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(page.url).origin } })
      : await this.request(`${form.action}?${sent}`);
    return this.follow(answer, stop);
  }

  /** Fills in form after form until `stop`, or until a page has none. */
  async walk(url, filled, stop) {
    let at = await this.open(url, stop);
    for (let step = 0; step < 8 && !at.stopped && formsOf(at.page).length > 0 && at.page.status < 400; step += 1) {
      at = await this.submit(at.page, filled, stop);
    }
    return at;
  }
}

export const titleOf = (page) => plain(page.text.match(/<h1[^>]*>([\s\S]*?)<\/h1>/i)?.[1] ?? page.text.slice(0, 80)).trim();
