// What a run says: one line a check, on the screen and in the transcript.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Absent } from './workshop.mjs';

export function ok(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}

export function equal(got, wanted, what) {
  ok(got === wanted, `${what}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
}

/** The checks of one driver. `--record` rewrites the driver's transcript. */
export class Report {
  #lines = [];
  #secrets = [];
  #passed = 0;
  #failed = 0;
  #leftOut = [];

  constructor(name) {
    this.name = name;
    this.say(`# cargo xtask interop ${name}, ${new Date().toISOString().slice(0, 10)}`);
  }

  /** Never shows this text again; credentials and places of this machine. */
  hide(secret, shown = '…') {
    if (secret) this.#secrets.push([secret, shown]);
    return secret;
  }

  say(line) {
    for (const [secret, shown] of this.#secrets) line = line.replaceAll(secret, shown);
    this.#lines.push(line);
    console.log(line);
  }

  section(title) {
    this.say(`\n## ${title}`);
  }

  /** Runs one check; what it gives back as text is shown beside it. */
  async check(name, run) {
    try {
      const detail = await run();
      this.#passed += 1;
      this.say(`ok    ${name}${typeof detail === 'string' ? ` (${detail})` : ''}`);
      return true;
    } catch (error) {
      if (error instanceof Absent) {
        this.leaveOut(`${name}: ${error.message}`);
        return false;
      }
      this.#failed += 1;
      this.say(`FAIL  ${name}: ${String(error.cause?.message ? `${error.message}: ${error.cause.message}` : error.message ?? error).split('\n')[0]}`);
      if (process.env.INTEROP_DEBUG) console.error(error);
      return false;
    }
  }

  /** Counts checks that another tool made. */
  count({ passed = 0, failed = 0 }) {
    this.#passed += passed;
    this.#failed += failed;
  }

  /** A part that could not run here; the run as a whole is then skipped, with this reason. */
  leaveOut(reason) {
    this.#leftOut.push(reason);
    this.say(`skip  ${reason}`);
  }

  /** The exit code: 1 after a failure, 77 when a part was left out. */
  close() {
    this.say(`\n${this.#passed} passed, ${this.#failed} failed${this.#leftOut.length ? `, ${this.#leftOut.length} skipped` : ''}`);
    if (process.argv.includes('--record')) {
      const place = fileURLToPath(new URL(`../${this.name}/transcript.txt`, import.meta.url));
      writeFileSync(place, `${this.#lines.join('\n')}\n`);
    }
    if (this.#failed > 0) return 1;
    if (this.#leftOut.length === 0) return 0;
    console.log(this.#leftOut.join('; '));
    return 77;
  }
}

/** Runs a driver: whatever happens, the workshop is closed. */
export async function drive(name, workshop, main) {
  const report = new Report(name);
  report.hide(workshop.folder, 'SCRATCH');
  let code;
  try {
    await main(report);
    code = report.close();
  } catch (error) {
    if (error instanceof Absent) {
      code = 77;
      console.log(error.message);
    } else {
      code = 1;
      console.error(process.env.INTEROP_DEBUG ? error : `interop ${name}: ${error.message}`);
    }
  } finally {
    await workshop.close();
  }
  process.exit(code);
}
