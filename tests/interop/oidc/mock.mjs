// PyPI oidc-provider-mock as the company's provider.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { pythonEnvironment } from '../lib/python.mjs';
import { finish } from '../lib/workshop.mjs';
import { Person, common, exchange, fired } from './hall.mjs';

export async function mock(hall) {
  const { report, workshop } = hall;
  const bin = await pythonEnvironment(fileURLToPath(new URL('requirements.txt', import.meta.url)));
  const { said } = await finish(path.join(bin, 'pip'), ['show', 'oidc-provider-mock']);
  report.section(`PyPI oidc-provider-mock ${said.match(/^Version: (.*)$/m)?.[1]}`);
  const port = await workshop.freePort();
  const state = workshop.start('mock', path.join(bin, 'oidc-provider-mock'), ['--host', '127.0.0.1', '--port', String(port)]);
  const place = `http://127.0.0.1:${port}`;
  await workshop.ready(state, async () => (await fetch(`${place}/.well-known/openid-configuration`)).ok);
  const { issuer } = JSON.parse((await exchange(`${place}/.well-known/openid-configuration`)).text);
  const company = await hall.company('Mock', 'mock.test');
  const connection = await company.connect('mock', { issuer, client_id: 'vestibule', client_secret: 'any' });
  const person = { sub: 'alice' };
  // It believes any client, so no secret is wrong.
  const user = await common(company, { connection, person, subject: 'alice', sub: 'alice' });
  const thin = await company.connect('by address', { issuer, client_id: 'vestibule', client_secret: 'any' }, { directory: 'userName', claim: 'preferred_username' });
  await report.check('a claim that the provider does not send is named', () => company.isRefused(new Person(person), thin, 'claim_missing'));
  await fired(company, user, person, connection);
}
