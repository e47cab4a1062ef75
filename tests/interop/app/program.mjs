// An application in another language, as a child process that speaks by lines with us.
//
// It says `ok TEXT` or `FAIL TEXT` for each check, and asks, each time answered by one line of JSON:
//   register JSON    an application of ours with these fields: what the admin API answered
//   open URL         a new browser walks there and signs the person in: {callback}, or {status} of the page where it ended
//   active BOOLEAN   SCIM says so of the person: {done: true}
import { spawn } from 'node:child_process';
import readline from 'node:readline';

import { Walker, callbackOf } from '../lib/walker.mjs';

/** Runs the program to its end and counts its checks; a program that says less than it should is a failure. */
export async function runProgram(report, { command, args, cwd, env, redirectUri, filled, register, setActive, within = 180_000 }) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), within);
  let complaints = '';
  child.stderr.on('data', (chunk) => { complaints += chunk; });
  child.stdin.on('error', () => { /* The program ended; its exit code says so. */ });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  const answer = {
    register: (wish) => register(JSON.parse(wish)),
    open: async (url) => {
      const at = await new Walker().walk(url, filled, callbackOf(redirectUri));
      return at.stopped ? { callback: at.stopped } : { status: at.page.status };
    },
    active: async (active) => {
      await setActive(active === 'true');
      return { done: true };
    },
  };
  let passed = 0;
  let failed = 0;
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const at = line.indexOf(' ');
    const [word, rest] = [line.slice(0, at), line.slice(at + 1)];
    if (word === 'ok') {
      passed += 1;
      report.say(`ok    ${rest}`);
    } else if (word === 'FAIL') {
      failed += 1;
      report.say(`FAIL  ${rest}`);
    } else if (Object.hasOwn(answer, word)) {
      const said = await answer[word](rest).catch((error) => ({ error: error.message }));
      child.stdin.write(`${JSON.stringify(said)}\n`);
    }
  }
  const code = await ended;
  clearTimeout(timer);
  if ((code !== 0 && failed === 0) || passed + failed === 0) {
    failed += 1;
    report.say(`FAIL  the program ended with ${code}: ${complaints.trim().split('\n').slice(-3).join(' | ')}`);
  }
  report.count({ passed, failed });
}
