// Proxies that ask `GET /auth/verify` before a request reaches a service which knows nothing of OpenID Connect.
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { equal, ok } from '../lib/report.mjs';
import { Walker, exchange } from '../lib/walker.mjs';
import { finish } from '../lib/workshop.mjs';
import { placeOf, versionOf } from './debian.mjs';

/** What belongs to us on the proxy's host, as in docs/openid.md. */
const OURS = '^/(login|logout|oauth|sso|assets|api|scim|\\.well-known)(/|$)';

/** The guarded service: it says who it was told is there. */
export class Service {
  #server;
  /** How many requests came through. */
  seen = 0;

  constructor(port) {
    this.port = port;
  }

  async start() {
    this.#server = http.createServer((request, response) => {
      this.seen += 1;
      const told = (name) => request.headers[name] ?? null;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ path: request.url, id: told('x-vestibule-user-id'), user: told('remote-user'), email: told('remote-email') }));
    });
    await new Promise((resolve, reject) => this.#server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
  }

  close() {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

export async function nginx(workshop, { port, vestibule, service }) {
  const root = await placeOf('nginx', ['nginx'], ['usr/sbin/nginx']);
  const folder = workshop.path('nginx');
  mkdirSync(folder);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`);
  const handedOn = [['X-Vestibule-User-Id', 'user_id'], ['Remote-User', 'remote_user_name'], ['Remote-Email', 'remote_email']];
  writeFileSync(path.join(folder, 'nginx.conf'), [
    'daemon off;',
    'worker_processes 1;',
    ...(process.getuid() === 0 ? ['user root;'] : []),
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log;`,
    'events {}',
    'http {',
    '  access_log off;',
    ...temporary,
    `  upstream vestibule { server 127.0.0.1:${vestibule}; }`,
    `  upstream service { server 127.0.0.1:${service}; }`,
    '  server {',
    `    listen 127.0.0.1:${port};`,
    '    location / {',
    '      auth_request /auth/verify;',
    ...handedOn.flatMap(([header, name]) => [
      `      auth_request_set $${name} $upstream_http_${header.toLowerCase().replaceAll('-', '_')};`,
      `      proxy_set_header ${header} $${name};`,
    ]),
    '      error_page 401 = @login;',
    '      proxy_pass http://service;',
    '    }',
    '    location = /auth/verify { proxy_pass http://vestibule; proxy_pass_request_body off; proxy_set_header Content-Length ""; }',
    '    location @login { return 302 /login?return_to=$request_uri; }',
    `    location ~ ${OURS} { proxy_pass http://vestibule; }`,
    '  }',
    '}',
    '',
  ].join('\n'));
  const program = path.join(root, 'usr/sbin/nginx');
  workshop.start('nginx', program, ['-p', folder, '-e', path.join(folder, 'error.log'), '-c', path.join(folder, 'nginx.conf')]);
  const { said } = await finish(program, ['-v']);
  return `${said.match(/nginx\/\S+/)?.[0]}, Debian's ${versionOf(root, 'nginx')}`;
}

export async function caddy(workshop, { port, vestibule, service }) {
  const root = await placeOf('caddy', ['caddy'], ['usr/bin/caddy']);
  const folder = workshop.path('caddy');
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'Caddyfile'), [
    '{',
    '  admin off',
    '  auto_https off',
    '}',
    `http://127.0.0.1:${port} {`,
    '  bind 127.0.0.1',
    `  @ours path_regexp ${OURS}`,
    `  handle @ours {`,
    `    reverse_proxy 127.0.0.1:${vestibule}`,
    '  }',
    '  handle {',
    `    forward_auth 127.0.0.1:${vestibule} {`,
    '      uri /auth/verify?redirect=true',
    '      copy_headers Remote-User Remote-Email X-Vestibule-User-Id',
    '    }',
    `    reverse_proxy 127.0.0.1:${service}`,
    '  }',
    '}',
    '',
  ].join('\n'));
  const program = path.join(root, 'usr/bin/caddy');
  workshop.start('caddy', program, ['run', '--config', path.join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], { env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder } });
  return `Caddy, Debian's ${versionOf(root, 'caddy')}`;
}

/** A person through a proxy at `proxy`: in with a sign-in, out with the request after the deactivation. */
export async function checkForwardAuth(report, { proxy, service, scim, person }) {
  const page = `${proxy}/desk?of=1`;
  const filled = { email: person.email, username: person.user_name, password: person.password };
  const forged = { 'remote-user': 'root', 'remote-email': 'root@acme.test', 'x-vestibule-user-id': 'usr_root' };
  const walker = new Walker();
  await report.check('without a sign-in no request reaches the service, whatever its headers say', async () => {
    const answer = await exchange(page, { headers: forged });
    ok([302, 303].includes(answer.status), `status ${answer.status}`);
    equal(service.seen, 0, 'requests at the service');
  });
  await report.check('a visitor is led to us, signs in at the company, and the service learns who it is', async () => {
    const at = await walker.walk(page, filled, () => false);
    equal(at.page.status, 200, 'status');
    const told = JSON.parse(at.page.text);
    equal(told.path, '/desk?of=1', 'the page that was wanted');
    equal(told.id, person.id, 'X-Vestibule-User-Id');
    equal(told.email, person.email, 'Remote-Email');
    equal(told.user, person.user_name, 'Remote-User');
  });
  await report.check('headers of the same names that the browser sends are replaced', async () => {
    const told = JSON.parse((await walker.request(page, { headers: forged })).text);
    equal(told.id, person.id, 'X-Vestibule-User-Id');
    equal(told.email, person.email, 'Remote-Email');
    equal(told.user, person.user_name, 'Remote-User');
  });
  await report.check('SCIM deactivates the person: out with the next request', async () => {
    await scim.setActive(person.id, false);
    const before = service.seen;
    const answer = await walker.request(page);
    ok([302, 303].includes(answer.status), `status ${answer.status}`);
    equal(service.seen, before, 'requests at the service');
  });
  await report.check('a new sign-in is refused; after reactivation the old session stays over', async () => {
    const at = await new Walker().walk(page, filled, () => false);
    equal(at.page.status, 403, 'status');
    await scim.setActive(person.id, true);
    const before = service.seen;
    ok([302, 303].includes((await walker.request(page)).status), 'the old session is back');
    equal(service.seen, before, 'requests at the service');
  });
}
