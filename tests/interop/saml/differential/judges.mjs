// Programs that judge the same response under the same context, and what they say.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { pythonEnvironment } from '../../lib/python.mjs';
import { binary } from '../../lib/vestibule.mjs';
import { Absent, cacheFolder, finish } from '../../lib/workshop.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** How long one file may take before the judge counts as hung. */
const PATIENCE = 20_000;

/** Ours, with `saml verify` in front of the options. */
export async function ours() {
  return new Judge('vestibule', await binary(), ['saml', 'verify']);
}

export async function python3Saml() {
  const bin = await pythonEnvironment(here('requirements.txt'));
  return new Judge('python3-saml', path.join(bin, 'python3'), [here('python3_saml.py')]);
}

/** `SAMAEL_ORACLE` names the program; absent, it is built, which needs the packages below. */
export async function samael() {
  if (!await there('faketime', ['--version'])) throw new Absent('samael asks the system for the time: install faketime');
  if (process.env.SAMAEL_ORACLE) return new Judge('samael', path.resolve(process.env.SAMAEL_ORACLE), []);
  const target = path.join(cacheFolder(), 'samael-oracle');
  try {
    await finish('cargo', ['build', '--quiet', '--locked', '--manifest-path', here('samael/Cargo.toml'), '--target-dir', target], { within: 1_800_000 });
  } catch {
    throw new Absent('samael does not build: install gcc, pkg-config, libclang-dev, libssl-dev, libxml2-dev and libxmlsec1-dev');
  }
  return new Judge('samael', path.join(target, 'debug', 'samael-oracle'), []);
}

async function there(command, args) {
  return finish(command, args, { allowed: true }).then(() => true, () => false);
}

/** A program that is called with `--context CTX.json FILE...` and prints one JSON line for each file. */
export class Judge {
  #program;
  #args;

  constructor(name, program, args) {
    if (path.isAbsolute(program) && !existsSync(program)) throw new Absent(`${name}: ${program} is not there`);
    this.name = name;
    this.#program = program;
    this.#args = args;
  }

  /** The verdict on each file; one that ends or hangs the program has `decision: "none"`. */
  async judge(workshop, context, files) {
    const place = workshop.path('context.json');
    await writeFile(place, JSON.stringify(context));
    const verdicts = new Map();
    let rest = files;
    while (rest.length > 0) {
      let end = await this.#run(place, rest, verdicts);
      // `faketime` fails to start now and then; a file that ends a program does so again.
      if (!verdicts.has(rest[0]) && end.startsWith('ended')) end = await this.#run(place, rest, verdicts);
      // Judges go through the files in order, so the first without an answer is the one that stopped them.
      const at = rest.findIndex((file) => !verdicts.has(file));
      if (at < 0) break;
      verdicts.set(rest[at], { file: rest[at], decision: 'none', name_id: null, reason: end });
      rest = rest.slice(at + 1);
    }
    return verdicts;
  }

  /** Runs the program once, adds what it says to the verdicts, and gives back how it ended. */
  #run(context, files, verdicts) {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#program, [...this.#args, '--context', context, ...files], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
      let hung = false;
      let timer = null;
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          hung = true;
          // The whole group: the program may have started itself again.
          process.kill(-child.pid, 'SIGKILL');
        }, PATIENCE);
      };
      wait();
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        wait();
        try {
          const verdict = JSON.parse(line);
          verdicts.set(verdict.file, verdict);
        } catch { /* a line that was cut off says nothing */ }
      });
      const ended = new Promise((closed) => child.once('close', (code, signal) => closed(signal ?? code)));
      const read = new Promise((closed) => lines.once('close', closed));
      child.once('error', (error) => { clearTimeout(timer); reject(error); });
      Promise.all([ended, read]).then(([how]) => {
        clearTimeout(timer);
        resolve(hung ? `no answer within ${PATIENCE / 1000} s` : `ended with ${how}`);
      });
    });
  }
}
