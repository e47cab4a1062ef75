// How the clients in Go and Java are made: sources of this folder, libraries of the exact versions that go.sum and pom.xml name.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

import { Absent, cacheFolder, finish } from '../lib/workshop.mjs';

const here = (place) => fileURLToPath(new URL(place, import.meta.url));

/** The client on go-oidc, built into the scratch folder. */
export async function goClient(workshop) {
  const program = workshop.path('go-client');
  const go = existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : 'go';
  try {
    await finish(go, ['build', '-mod=readonly', '-o', program, '.'], { cwd: here('go-oidc'), env: { GOTOOLCHAIN: 'local' } });
  } catch (error) {
    throw new Absent(`the client in Go cannot be built: ${error.message.split('\n')[0].slice(0, 200)}`);
  }
  return { command: program, args: [] };
}

/** The client on Nimbus' SDK; Java runs its source as it is. */
export async function javaClient() {
  const pom = here('nimbus/pom.xml');
  const folder = path.join(cacheFolder(), `nimbus-${createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)}`);
  const complete = path.join(folder, 'complete');
  try {
    await finish('java', ['--version']);
    if (!existsSync(complete)) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      await finish('mvn', ['--quiet', '--batch-mode', '--file', pom, 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies', `-DoutputDirectory=${folder}`]);
      writeFileSync(complete, '');
    }
  } catch (error) {
    throw new Absent(`the client in Java cannot be made: ${error.message.split('\n')[0].slice(0, 200)}`);
  }
  return { command: 'java', args: ['-cp', path.join(folder, '*'), here('nimbus/Client.java')] };
}

/** What `go.mod` or `pom.xml` says of a library. */
export function versionIn(file, pattern) {
  return readFileSync(here(file), 'utf8').match(pattern)?.[1];
}
