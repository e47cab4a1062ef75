// Processes, ports and scratch folders of one run, and their end.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `question` answers with something true, and gives that back. */
export async function eventually(what, question, { within = 10_000, every = 20 } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${within} ms`);
    await sleep(every);
  }
}

/** Where downloads are kept between runs. */
export function cacheFolder() {
  return path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'vestibule-interop');
}

/** A product is not to be had on this machine. */
export class Absent extends Error {}

/** Everything a run starts, so that it can end it: by process id, never by name. */
export class Workshop {
  #children = [];
  #closers = [];

  constructor(name) {
    this.folder = mkdtempSync(path.join(os.tmpdir(), `vestibule-interop-${name}-`));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(signal, () => this.close().finally(() => process.exit(130)));
    }
    // The last resort, when the run itself broke down.
    process.once('exit', () => {
      for (const { ended, child } of this.#children) if (ended === null) try { process.kill(-child.pid, 'SIGKILL'); } catch { /* gone */ }
    });
  }

  path(...parts) {
    return path.join(this.folder, ...parts);
  }

  /** Runs `close` at the end of the run. */
  atEnd(close) {
    this.#closers.push(close);
  }

  /** A port of 127.0.0.1 that was free a moment ago. */
  async freePort() {
    const server = net.createServer();
    await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  /** Starts a process that goes on; its output goes to a file. It leads its own process group. */
  start(name, command, args, { env = {}, cwd = this.folder } = {}) {
    const log = this.path(`${name}.log`);
    const file = createWriteStream(log);
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(file);
    child.stderr.pipe(file);
    const state = { name, child, log, ended: null };
    child.once('error', (error) => { state.ended = error.message; });
    child.once('exit', (code, signal) => { state.ended ??= signal ?? `exit code ${code}`; });
    this.#children.push(state);
    return state;
  }

  /** Waits until a started process is ready; what it said is in the error if it never is. */
  async ready(state, question, within = 60_000) {
    try {
      await eventually(`${state.name} is ready`, () => {
        if (state.ended !== null) throw new Error(`${state.name} ended: ${state.ended}`);
        return question().catch(() => false);
      }, { within, every: 50 });
    } catch (error) {
      const said = await readFile(state.log, 'utf8').catch(() => '');
      throw new Error(`${error.message}\n${said.split('\n').slice(-20).join('\n')}`);
    }
  }

  /** Ends one process and waits until it is gone. */
  async stop(state) {
    for (const [signal, patience] of [['SIGTERM', 25_000], ['SIGKILL', 5_000]]) {
      if (state.ended !== null) return;
      try { process.kill(-state.child.pid, signal); } catch { return; }
      await eventually(`${state.name} ends`, () => state.ended !== null, { within: patience }).catch(() => {});
    }
  }

  async close() {
    for (const close of this.#closers.splice(0).reverse()) await close();
    for (const state of this.#children.splice(0).reverse()) await this.stop(state);
    if (process.env.INTEROP_KEEP) console.error(`kept ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a command to its end and gives back what it said; a non-zero exit throws unless `allowed`. */
export function finish(command, args, { env = {}, cwd, within = 600_000, allowed = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (chunk) => { said += chunk; };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const timer = setTimeout(() => child.kill('SIGKILL'), within);
    child.once('error', (error) => { clearTimeout(timer); reject(error); });
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0 || (allowed && code !== null)) resolve({ code, said });
      else reject(new Error(`${path.basename(command)} ${args[0] ?? ''} ended with ${code}: ${said.trim().split('\n').slice(-5).join(' | ')}`));
    });
  });
}
