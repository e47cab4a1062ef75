// Every page that people see, in Chromium: in both languages, by day and by night, at a desk and on a phone.
// axe-core judges each, and a picture of each is left in target/pages.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

import { openChromium } from '../lib/chromium.mjs';
import { drive, equal, ok } from '../lib/report.mjs';
import { startVestibule } from '../lib/vestibule.mjs';
import { Absent, Workshop } from '../lib/workshop.mjs';
import { Visitor } from './visitor.mjs';
import { PASSWORD, authorize, makeWorld } from './world.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = fileURLToPath(new URL('../../../target/pages', import.meta.url));
const LANGUAGES = { en: 'en-GB', fr: 'fr-FR' };
const SCHEMES = ['light', 'dark'];
const SIZES = { desk: { width: 1280, height: 860 }, phone: { width: 360, height: 740 } };

const workshop = new Workshop('pages');

await drive('pages', workshop, async (report) => {
  const vestibule = await startVestibule(workshop, report);
  const chromium = await openChromium(workshop);
  if (!chromium) throw new Absent('there is no Chromium on this machine');
  const world = await makeWorld(workshop, report, vestibule);
  rmSync(pictures, { recursive: true, force: true });
  mkdirSync(pictures, { recursive: true });
  report.say(`Chromium ${chromium.version()}, axe-core ${axe.match(/axe v([\d.]+)/)?.[1]}`);

  const signedIn = await twoPeople(chromium, vestibule, world);
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const [language, locale] of Object.entries(LANGUAGES)) {
      for (const colorScheme of SCHEMES) {
        report.section(`${size}, ${language}, ${colorScheme}`);
        const options = { viewport, locale, colorScheme };
        for (const [name, { show, people, branded }] of Object.entries(pagesOf(vestibule, world))) {
          const visitor = await Visitor.open(chromium, { ...options, ...(people && { storageState: signedIn }) });
          await report.check(name, async () => {
            await show(visitor);
            return judge(visitor, { name: `${name}-${size}-${language}-${colorScheme}`, language, branded });
          });
          await visitor.close();
        }
      }
    }
  }

  report.section('without JavaScript');
  await report.check('a whole sign-in, with an answer by form', () => signInWithoutScripts(chromium, vestibule, world));

  report.section('native applications');
  await report.check('the form of a native application leads to its own scheme', () => nativeSignIn(chromium, vestibule, world));
  await report.check('the form of another application does not', () => foreignScheme(chromium, vestibule, world));

  report.section('too many tries');
  const visitor = await Visitor.open(chromium, { viewport: SIZES.desk, locale: LANGUAGES.fr });
  await report.check('password-too-many', async () => {
    await askedForPassword(visitor, vestibule, world.plain, 'grace@plain.test');
    for (let tries = 0; tries < 40 && visitor.status !== 429; tries += 1) await visitor.fill({ password: 'wrong' });
    equal(visitor.status, 429, 'status');
    return judge(visitor, { name: 'password-too-many', language: 'fr' });
  });
  await visitor.close();
});

/** Each page, and how a person gets there. `people`: with two sign-ins in the browser. */
function pagesOf(vestibule, world) {
  const url = (place) => `${vestibule.url}${place}`;
  const asks = (application, parameters) => authorize(vestibule, application, parameters);
  const at = (address, status = 200) => async (visitor) => {
    await visitor.visit(address);
    equal(visitor.status, status, 'status');
  };
  const hint = (organization, user) => ({ organization: organization.id, login_hint: user });
  return {
    login: { show: at(url('/login')) },
    'login-for-application': { show: at(asks(world.notes)) },
    'login-unknown': {
      show: async (visitor) => {
        await visitor.visit(asks(world.notes));
        await visitor.fill({ email: 'ada@unknown.test' });
        equal(visitor.status, 422, 'status');
      },
    },
    'login-long-name': { show: at(asks(world.native)) },
    password: { show: at(asks(world.notes, hint(world.plain, 'ada@plain.test'))) },
    'password-branded': { show: at(asks(world.notes, hint(world.branded, 'ada@lumiere.test'))), branded: 'Maison Lumière' },
    'password-dark-brand': { show: at(asks(world.notes, hint(world.dark, 'ada@nocturne.test'))), branded: 'Nocturne' },
    'password-wrong': {
      show: async (visitor) => {
        await askedForPassword(visitor, vestibule, world.branded, 'ada@lumiere.test');
        await visitor.fill({ password: 'wrong' });
        equal(visitor.status, 422, 'status');
      },
      branded: 'Maison Lumière',
    },
    choose: { show: at(asks(world.notes, hint(world.several, 'ada@several.test'))), branded: 'Several Works' },
    accounts: { show: at(asks(world.notes, { prompt: 'select_account' })), people: true },
    consent: { show: at(asks(world.stranger, { login_hint: 'ada@lumiere.test', scope: 'openid profile email groups roles offline_access', prompt: 'consent' })), people: true, branded: 'Maison Lumière' },
    'signed-in': { show: at(url('/')), people: true },
    'confirm-logout': { show: at(url('/oauth/logout')), people: true },
    'confirm-logout-for-application': { show: at(url(`/oauth/logout?client_id=${world.notes.client_id}`)), people: true },
    'signed-out': { show: at(url('/logout/done')) },
    'refused-no-way-in': { show: at(asks(world.notes, { organization: world.shut.id }), 403), branded: 'Shut Works' },
    'refused-network': { show: at(asks(world.notes, { organization: world.away.id }), 403), branded: 'Away Works' },
    'to-provider': { show: at(asks(world.notes, { organization: world.posting.id })) },
    'to-application': { show: at(asks(world.notes, { response_mode: 'form_post', prompt: 'none' })) },
    'error-client': { show: at(asks(world.notes, { client_id: 'app_unknown' }), 400) },
    'error-redirect': { show: at(asks(world.notes, { redirect_uri: 'https://attacker.test/' }), 400) },
    'error-logout': { show: at(url('/oauth/logout?id_token_hint=x'), 400) },
    'error-gone': { show: at(url('/login?handle=vlh_gone'), 400) },
    'error-unreadable': { show: at(url('/login?handle=a&handle=b'), 400) },
    'error-not-found': { show: at(url('/no/such/page'), 404) },
  };
}

async function askedForPassword(visitor, vestibule, organization, user) {
  await visitor.visit(`${vestibule.url}/login?organization=${organization.id}`);
  if (await visitor.has('email')) await visitor.fill({ email: user });
  ok(await visitor.has('password'), 'the page asks for no password');
}

/** The cookies of a browser in which two people are signed in. */
async function twoPeople(chromium, vestibule, world) {
  const visitor = await Visitor.open(chromium, {});
  for (const [organization, user] of [[world.plain, 'grace@plain.test'], [world.branded, 'ada@lumiere.test']]) {
    await askedForPassword(visitor, vestibule, organization, user);
    await visitor.fill({ password: PASSWORD });
    equal(visitor.status, 200, 'status');
  }
  const state = await visitor.context.storageState();
  await visitor.close();
  return state;
}

/** What is wrong with the page that the visitor sees; a picture is left of it. */
async function judge(visitor, { name, language, branded }) {
  const { page } = visitor;
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
  const seen = await page.evaluate(() => ({
    language: document.documentElement.lang,
    title: document.title,
    wide: document.documentElement.scrollWidth - window.innerWidth,
    shifted: performance.getEntriesByType('layout-shift').length,
    foreign: performance.getEntriesByType('resource').filter(({ name: place }) => new URL(place).origin !== location.origin).map(({ name: place }) => place),
    focus: document.activeElement?.id ?? '',
    fields: [...document.querySelectorAll('input:not([type=hidden]):not([aria-hidden])')].map(({ id }) => id),
  }));
  equal(seen.language, language, 'lang');
  equal(visitor.headers['content-language'], language, 'Content-Language');
  ok(seen.wide <= 0, `the page is ${seen.wide} pixels too wide`);
  equal(seen.shifted, 0, 'layout shifts');
  equal(seen.foreign.join(' '), '', 'loaded from elsewhere');
  if (seen.fields.length > 0) equal(seen.focus, seen.fields[0], 'focus');
  if (branded) ok(seen.title.endsWith(`· ${branded}`), `the title is ${seen.title}`);
  equal(visitor.complaints.join('; '), '', 'the browser complains');
  const { violations, passes } = await page.evaluate(`(() => { ${axe}; return axe.run(document, { resultTypes: ['violations'] }); })()`);
  const found = violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes[0].html.slice(0, 120)}`);
  equal(found.join('; '), '', 'axe-core');
  return `${passes.length} rules of axe-core`;
}

async function signInWithoutScripts(chromium, vestibule, world) {
  const visitor = await Visitor.open(chromium, { javaScriptEnabled: false });
  let answer;
  await visitor.context.route(world.notes.redirect_uri, (route) => {
    answer = new URLSearchParams(route.request().postData() ?? '');
    return route.fulfill({ contentType: 'text/html', body: '<h1>Field Notes</h1>' });
  });
  await visitor.visit(authorize(vestibule, world.notes, { response_mode: 'form_post' }));
  await visitor.fill({ email: 'ada@plain.test' });
  await visitor.fill({ password: PASSWORD });
  await visitor.press();
  ok(answer?.get('code'), 'the application got no code');
  await visitor.close();
}

/** Signs in to the native application; where the browser was led, and what it had to say about `form-action`. */
async function signInToNative(chromium, vestibule, world, before) {
  const visitor = await Visitor.open(chromium, {});
  const led = [];
  const watch = await visitor.context.newCDPSession(visitor.page);
  await watch.send('Network.enable');
  watch.on('Network.requestWillBeSent', ({ request }) => led.push(request.url));
  await visitor.visit(authorize(vestibule, world.native, { organization: world.plain.id, login_hint: 'ada@plain.test' }));
  ok(await visitor.has('password'), 'the page asks for no password');
  await before?.(visitor);
  const answered = new Promise((resolve) => { watch.on('Network.responseReceivedExtraInfo', ({ statusCode }) => statusCode === 303 && resolve()); });
  await visitor.page.fill('input[name=password]', PASSWORD);
  await visitor.page.click('button[type=submit]', { noWaitAfter: true });
  await answered;
  await new Promise((resolve) => setTimeout(resolve, 500));
  const complaints = visitor.complaints.filter((complaint) => complaint.includes('form-action'));
  await visitor.close();
  return { arrived: led.some((url) => url.startsWith('com.example.app:/callback?code=')), complaints: complaints.length };
}

async function nativeSignIn(chromium, vestibule, world) {
  const { arrived, complaints } = await signInToNative(chromium, vestibule, world);
  ok(arrived, 'the browser was not led to the application');
  equal(complaints, 0, 'complaints about form-action');
}

/** The same request from a page that was made for another application: the policy still bites. */
async function foreignScheme(chromium, vestibule, world) {
  const { arrived, complaints } = await signInToNative(chromium, vestibule, world, async (visitor) => {
    const handle = await visitor.page.inputValue('input[name=handle]');
    await visitor.visit(authorize(vestibule, world.notes, { organization: world.plain.id, login_hint: 'ada@plain.test' }));
    await visitor.page.evaluate((value) => { document.querySelector('input[name=handle]').value = value; }, handle);
  });
  ok(!arrived, 'the browser was led to the application');
  equal(complaints, 1, 'complaints about form-action');
}
