// A private Apache with mod_auth_openidc, on loopback; nothing is installed or started as a service.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { exchange } from '../lib/walker.mjs';
import { finish } from '../lib/workshop.mjs';
import { placeOf, versionOf } from './debian.mjs';

const MODULE = 'usr/lib/apache2/modules/mod_auth_openidc.so';

/** Apache on a port of its own; `/protected` needs a sign-in and says so. */
export class Apache {
  static MARK = 'Behind Apache';

  constructor(workshop, port) {
    this.workshop = workshop;
    this.url = `http://127.0.0.1:${port}`;
    this.page = `${this.url}/protected/`;
    this.redirectUri = `${this.url}/protected/callback`;
    this.port = port;
  }

  registration() {
    return { name: 'Apache', redirect_uris: [this.redirectUri], backchannel_logout_uri: `${this.redirectUri}?logout=backchannel` };
  }

  async prepare() {
    this.root = await placeOf('apache', ['apache2-bin', 'libapache2-mod-auth-openidc'], ['usr/sbin/apache2', MODULE]);
    const libraries = path.join(this.root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
    this.program = path.join(this.root, 'usr/sbin/apache2');
    this.env = this.root === '/' ? {} : { LD_LIBRARY_PATH: libraries };
    const { said } = await finish(this.program, ['-v'], { env: this.env });
    return `${said.match(/Apache\/\S+/)?.[0]}, mod_auth_openidc ${versionOf(this.root, 'libapache2-mod-auth-openidc')}`;
  }

  async start(issuer, { client_id: id, client_secret: secret }) {
    const folder = this.workshop.path('apache');
    mkdirSync(path.join(folder, 'www/protected'), { recursive: true });
    writeFileSync(path.join(folder, 'www/protected/index.html'), `<h1>${Apache.MARK}</h1>`);
    // Apache's own user has to find its pages; what lies in the scratch folder cannot be listed.
    chmodSync(this.workshop.folder, 0o711);
    const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'dir', 'mime', 'auth_openidc']
      .filter((name) => existsSync(path.join(this.root, `usr/lib/apache2/modules/mod_${name}.so`)))
      .map((name) => `LoadModule ${name}_module ${path.join(this.root, `usr/lib/apache2/modules/mod_${name}.so`)}`);
    writeFileSync(path.join(folder, 'httpd.conf'), [
      `ServerRoot ${folder}`,
      `DefaultRuntimeDir ${folder}`,
      `PidFile ${folder}/httpd.pid`,
      `Listen 127.0.0.1:${this.port}`,
      'ServerName 127.0.0.1',
      ...(process.getuid() === 0 ? ['User nobody', 'Group nogroup'] : []),
      ...modules,
      'TypesConfig /dev/null',
      `ErrorLog ${folder}/error.log`,
      `DocumentRoot ${folder}/www`,
      `OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration`,
      `OIDCClientID ${id}`,
      `OIDCClientSecret ${secret}`,
      `OIDCRedirectURI ${this.redirectUri}`,
      'OIDCCryptoPassphrase of-this-run-only',
      'OIDCScope "openid email"',
      'OIDCPKCEMethod S256',
      'OIDCSessionType server-cache',
      'OIDCRemoteUserClaim sub',
      '<Directory />',
      '  AllowOverride None',
      '</Directory>',
      '<Location /protected>',
      '  AuthType openid-connect',
      '  Require valid-user',
      '</Location>',
      '',
    ].join('\n'), { mode: 0o600 });
    const state = this.workshop.start('apache', this.program, ['-D', 'FOREGROUND', '-f', path.join(folder, 'httpd.conf')], { env: this.env });
    await this.workshop.ready(state, async () => (await exchange(this.page)).status === 302, 15_000);
  }
}
