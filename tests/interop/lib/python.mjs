// Python packages in a virtual environment of their own, kept between runs.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { Absent, cacheFolder, finish } from './workshop.mjs';

/** The `bin` folder of an environment with these requirements. */
export async function pythonEnvironment(requirements) {
  const wanted = readFileSync(requirements);
  const folder = path.join(cacheFolder(), `venv-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`);
  const bin = path.join(folder, 'bin');
  const complete = path.join(folder, 'complete');
  if (!existsSync(complete)) {
    mkdirSync(cacheFolder(), { recursive: true });
    rmSync(folder, { recursive: true, force: true });
    try {
      await finish('python3', ['-m', 'venv', folder]);
      await finish(path.join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
    } catch (error) {
      throw new Absent(`the Python packages could not be installed: ${error.message.split('\n')[0]}`);
    }
    writeFileSync(complete, '');
  }
  return bin;
}
