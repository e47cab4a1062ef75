// Servers of Debian's packages: as installed, or unpacked below the cache folder. Nothing is installed or started as a service.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { Absent, cacheFolder, finish } from '../lib/workshop.mjs';

/** Below which folder these files lie: `/`, or a folder with what the packages and all that they need hold. */
export async function placeOf(name, packages, files) {
  if (files.every((file) => existsSync(`/${file}`))) return '/';
  const folder = path.join(cacheFolder(), name);
  const complete = path.join(folder, 'complete');
  if (existsSync(complete)) return folder;
  rmSync(folder, { recursive: true, force: true });
  const downloads = path.join(folder, 'packages');
  mkdirSync(downloads, { recursive: true });
  try {
    const { said } = await finish('apt-get', ['--simulate', '--no-install-recommends', 'install', ...packages]);
    const missing = [...said.matchAll(/^Inst (\S+)/gm)].map(([, missed]) => missed);
    await finish('apt-get', ['--quiet', 'download', ...missing], { cwd: downloads });
    for (const file of readdirSync(downloads)) await finish('dpkg', ['--extract', path.join(downloads, file), folder]);
  } catch (error) {
    throw new Absent(`${name} is neither installed nor to be had from Debian's packages (${error.message.split('\n')[0].slice(0, 160)})`);
  }
  for (const file of files) if (!existsSync(path.join(folder, file))) throw new Absent(`the Debian packages hold no ${file}`);
  writeFileSync(complete, '');
  return folder;
}

/** The version of a package that was unpacked there. */
export function versionOf(root, name) {
  const packages = path.join(root, 'packages');
  const unpacked = existsSync(packages) ? readdirSync(packages).find((file) => file.startsWith(`${name}_`)) : undefined;
  return unpacked ? decodeURIComponent(unpacked.split('_')[1]) : 'as installed';
}
