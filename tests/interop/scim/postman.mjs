// Microsoft's SCIM test collection for Postman (AzureAD/SCIMReferenceCode, PostmanCollection.json), run by newman.
import { existsSync, mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { Absent, cacheFolder, finish } from '../lib/workshop.mjs';

const NEWMAN = '6.2.2';

/** Assertions of the collection that want what we refuse or do otherwise, and why. */
export const CONFLICTS = {
  'Get ServiceProviderConfig | Status code is 200': 'asks for /serviceConfiguration; RFC 7644 §4 calls it /ServiceProviderConfig',
  'Get ServiceProviderConfig | Pach supported is true': 'the same request',
  'Get group by id | Body contians user': 'wants a sub-attribute displayName of members back, which RFC 7643 §4.2 does not have',
  'Patch user omalley new username | Status code is 204': 'wants 204 without a body; RFC 7644 §3.5.2 allows 200 with it, which other clients need (Prefer: return=minimal gives 204)',
  'patch user omalley active with boolean | Status code is 204': 'the same',
  'Group patch add member | Status code is 204': 'the same',
  'Group patch add member2 | Status code is 204': 'the same',
};

/** Runs a collection against a directory: how many assertions there are, and which of them failed. */
export async function runCollection(workshop, file, { url, token }) {
  const newman = await installed();
  const collection = JSON.parse(await readFile(file, 'utf8'));
  // It fetches a token from a place of Microsoft's own sample.
  collection.item = collection.item.filter(({ name }) => name !== 'Get Token');
  await writeFile(workshop.path('collection.json'), JSON.stringify(collection));
  const { protocol, hostname, port, pathname } = new URL(url);
  const variables = { Protocol: protocol.slice(0, -1), Server: hostname, Port: `:${port}`, Api: pathname.slice(1), token };
  const settings = Object.entries(variables).flatMap(([name, value]) => ['--env-var', `${name}=${value}`]);
  const out = workshop.path('newman.json');
  await finish(newman, ['run', workshop.path('collection.json'), ...settings, '--reporters', 'json', '--reporter-json-export', out], { allowed: true });
  const { stats, failures } = JSON.parse(await readFile(out, 'utf8')).run;
  return { total: stats.assertions.total, failed: failures.map(({ source, error }) => `${source?.name} | ${error.test}`) };
}

async function installed() {
  const folder = path.join(cacheFolder(), `newman-${NEWMAN}`);
  const program = path.join(folder, 'node_modules', '.bin', 'newman');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    try {
      await finish('npm', ['install', '--prefix', folder, '--silent', '--no-audit', '--no-fund', `newman@${NEWMAN}`], { within: 300_000 });
    } catch (error) {
      throw new Absent(`newman could not be installed: ${error.message.split('\n')[0]}`);
    }
  }
  return program;
}
