// SimpleSAMLphp as an identity provider on PHP's own server, on loopback; nothing is installed or started as a service.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { exchange } from '../../lib/walker.mjs';
import { Absent, cacheFolder, finish } from '../../lib/workshop.mjs';

const PRODUCT = 'usr/share/simplesamlphp';
const PACKAGES = ['php-cli', 'php-mbstring', 'php-xml', 'simplesamlphp'];
/** What the packages would bring beside PHP: a web server that is not needed. */
const UNWANTED = /^(apache2|libapache2|libapr|liblua)/;
const EXTENSIONS = ['ctype', 'dom', 'mbstring', 'posix', 'simplexml', 'xml', 'xmlreader', 'xmlwriter'];
const BINDINGS = ['HTTP-Redirect', 'HTTP-POST'].map((name) => `urn:oasis:names:tc:SAML:2.0:bindings:${name}`);

/** Where PHP and SimpleSAMLphp lie: in the system, or unpacked from Debian's packages below the cache folder. */
async function root() {
  if (existsSync(`/${PRODUCT}`) && existsSync('/usr/bin/php')) return '/';
  const folder = path.join(cacheFolder(), 'simplesamlphp');
  const complete = path.join(folder, 'complete');
  if (existsSync(complete)) return folder;
  rmSync(folder, { recursive: true, force: true });
  const packages = path.join(folder, 'packages');
  mkdirSync(packages, { recursive: true });
  try {
    const { said } = await finish('apt-get', ['--simulate', '--no-install-recommends', 'install', ...PACKAGES]);
    const missing = [...said.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name).filter((name) => !UNWANTED.test(name));
    await finish('apt-get', ['--quiet', 'download', ...missing], { cwd: packages });
    for (const file of readdirSync(packages)) await finish('dpkg', ['--extract', path.join(packages, file), folder]);
  } catch (error) {
    throw new Absent(`SimpleSAMLphp is neither installed nor to be had from Debian's packages (${error.message.split('\n')[0].slice(0, 160)})`);
  }
  if (!existsSync(path.join(folder, PRODUCT))) throw new Absent('the Debian packages hold no SimpleSAMLphp');
  writeFileSync(complete, '');
  return folder;
}

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll('\'', '\\\'')}'`;

/** A value as PHP source. */
function php(value) {
  if (Array.isArray(value)) return `[${value.map(php).join(', ')}]`;
  if (typeof value === 'object') return `[${Object.entries(value).map(([key, one]) => `${/^\d+$/.test(key) ? key : quoted(key)} => ${php(one)}`).join(', ')}]`;
  return typeof value === 'string' ? quoted(value) : String(value);
}

export class SimpleSamlPhp {
  constructor(workshop, port) {
    this.workshop = workshop;
    this.port = port;
    this.url = `http://idp.localhost:${port}`;
    this.local = `http://127.0.0.1:${port}`;
    this.entityId = `${this.url}/saml2/idp/metadata.php`;
    this.folder = workshop.path('simplesamlphp');
    this.settings = {};
  }

  /** Finds PHP and the product, and gives their versions back. */
  async prepare() {
    this.root = await root();
    const libraries = path.join(this.root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
    this.env = {
      SIMPLESAMLPHP_CONFIG_DIR: path.join(this.folder, 'config'),
      PHP_CLI_SERVER_WORKERS: '4',
      ...(this.root !== '/' && { LD_LIBRARY_PATH: libraries }),
    };
    this.options = ['-d', 'display_errors=0', '-d', 'session.save_path=' + path.join(this.folder, 'sessions')];
    this.program = '/usr/bin/php';
    if (this.root !== '/') {
      const programs = path.join(this.root, 'usr/bin');
      this.program = path.join(programs, readdirSync(programs).find((name) => /^php\d+\.\d+$/.test(name)));
      const modules = path.join(this.root, 'usr/lib/php');
      const api = readdirSync(modules).find((name) => /^\d{8}$/.test(name));
      const extensions = EXTENSIONS.filter((name) => existsSync(path.join(modules, api, `${name}.so`)));
      // `dom` first: the others of libxml lean on it.
      const ordered = ['dom', ...extensions.filter((name) => name !== 'dom')];
      this.options = ['-n', '-d', `extension_dir=${path.join(modules, api)}`, ...ordered.flatMap((name) => ['-d', `extension=${name}`]), ...this.options];
    }
    const { said } = await finish(this.program, [...this.options, '-r', `require '${path.join(this.root, PRODUCT)}/lib/_autoload.php'; echo PHP_VERSION, ' ', SimpleSAML\\Configuration::VERSION;`], { env: this.env });
    const [version, product] = said.trim().split('\n').at(-1).split(' ');
    return `SimpleSAMLphp ${product} on PHP ${version}`;
  }

  async start({ keyFile, certificateFile }, { username, password, attributes }) {
    for (const part of ['config', 'metadata', 'sessions', 'log', 'tmp', 'data']) mkdirSync(path.join(this.folder, part), { recursive: true });
    this.#write('config/config.php', '$config', {
      baseurlpath: `${this.url}/`,
      certdir: `${this.workshop.folder}/`,
      loggingdir: `${this.folder}/log/`,
      datadir: `${this.folder}/data/`,
      tempdir: `${this.folder}/tmp`,
      metadatadir: `${this.folder}/metadata`,
      'logging.handler': 'file',
      'logging.level': 7,
      secretsalt: 'of-this-run-only',
      'auth.adminpassword': password,
      'enable.saml20-idp': true,
      'module.enable': { exampleauth: true, core: true, saml: true },
      'session.cookie.secure': false,
      'session.phpsession.savepath': `${this.folder}/sessions`,
      'store.type': 'phpsession',
      'trusted.url.domains': ['idp.localhost'],
      timezone: 'UTC',
      'metadata.sources': [{ type: 'flatfile' }, { type: 'xml', file: path.join(this.folder, 'vestibule.xml') }],
    });
    this.#write('config/authsources.php', '$config', {
      'example-userpass': { 0: 'exampleauth:UserPass', [`${username}:${password}`]: attributes },
    });
    this.files = { privatekey: path.basename(keyFile), certificate: path.basename(certificateFile) };
    this.set({});
    this.describe('<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>');
    const documents = path.join(this.root, PRODUCT, 'www');
    const state = this.workshop.start('php', this.program, [...this.options, '-S', `127.0.0.1:${this.port}`, '-t', documents], { env: this.env });
    await this.workshop.ready(state, async () => (await exchange(`${this.local}/saml2/idp/metadata.php`)).status === 200, 30_000);
  }

  /** What the product knows of us: our own metadata, as it is. */
  describe(metadata) {
    writeFileSync(path.join(this.folder, 'vestibule.xml'), metadata);
  }

  /** Changes settings of the identity provider; it reads them at each request. */
  set(settings) {
    this.settings = { ...this.settings, ...settings };
    const hosted = {
      host: '__DEFAULT__',
      ...this.files,
      auth: 'example-userpass',
      'signature.algorithm': 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      'saml20.sign.response': true,
      'saml20.sign.assertion': true,
      'sign.logout': true,
      'validate.authnrequest': true,
      'validate.logout': true,
      SingleSignOnServiceBinding: BINDINGS,
      SingleLogoutServiceBinding: BINDINGS,
      authproc: { 3: { class: 'saml:AttributeNameID', attribute: 'mail', Format: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress' } },
      NameIDFormat: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
      ...this.settings,
    };
    this.#write('metadata/saml20-idp-hosted.php', `$metadata['${this.entityId}']`, hosted);
  }

  async metadata() {
    return (await exchange(`${this.local}/saml2/idp/metadata.php`, { headers: { host: new URL(this.url).host } })).text;
  }

  /** Ends the person's session there, from there. */
  get logoutUrl() {
    return `${this.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(`${this.url}/module.php/core/frontpage_welcome.php`)}`;
  }

  #write(file, variable, value) {
    writeFileSync(path.join(this.folder, file), `<?php\n${variable} = ${php(value)};\n`, { mode: 0o600 });
  }
}
