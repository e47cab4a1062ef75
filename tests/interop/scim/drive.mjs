// Independent conformance tools against a running server, each with a directory of its own.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { drive, equal, ok } from '../lib/report.mjs';
import { pythonEnvironment } from '../lib/python.mjs';
import { example, startVestibule } from '../lib/vestibule.mjs';
import { Absent, Workshop, finish } from '../lib/workshop.mjs';
import { CONFLICTS, runCollection } from './postman.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const workshop = new Workshop('scim');

await drive('scim', workshop, async (report) => {
  const bin = await pythonEnvironment(here('requirements.txt'));
  report.say((await readFile(here('requirements.txt'), 'utf8')).trim().replaceAll('==', ' ').split('\n').join(', '));
  const vestibule = await startVestibule(workshop, report);
  const company = async (name) => (await vestibule.addCompany(report, { name, domain: `${name}.test` })).scim;

  report.section('scim2-tester, through scim2-cli');
  await report.check('every check is green', async () => {
    const scim = await company('tester');
    const { code, said } = await tester(bin, scim.url, scim.token);
    await writeFile(workshop.path('scim2-tester.txt'), said);
    return judge(report, code, said);
  });

  report.section('scim-sanity');
  for (const mode of ['strict', 'compat']) {
    await report.check(`probe --${mode}: nothing fails`, async () => {
      const scim = await company(mode);
      return sanity(bin, mode, scim.url, scim.token);
    });
  }

  report.section("Okta's SPEC suite");
  await report.check('every assertion holds', async () => {
    const suite = process.env.OKTA_SPEC;
    if (!suite) throw new Absent('OKTA_SPEC does not name Okta-SCIM-20-SPEC-Test.json (from okta/okta-developer-docs)');
    const scim = await company('okta');
    const { code, said } = await finish('python3', [here('okta_suite.py'), path.resolve(suite), scim.url], { env: { SCIM_TOKEN: scim.token }, allowed: true });
    const lines = said.trim().split('\n');
    for (const line of lines.slice(0, -1)) report.say(`      ${line}`);
    ok(code === 0, lines.at(-1));
    return lines.at(-1);
  });

  report.section("Microsoft's collection for Postman, by newman 6.2.2");
  await report.check('nothing fails but what conflicts with the RFCs', async () => {
    const collection = process.env.MS_POSTMAN;
    if (!collection) throw new Absent('MS_POSTMAN does not name PostmanCollection.json (from AzureAD/SCIMReferenceCode)');
    const { total, failed } = await runCollection(workshop, path.resolve(collection), await company('postman'));
    for (const name of failed) report.say(`      ${name}: ${CONFLICTS[name] ?? 'FAIL'}`);
    equal(failed.filter((name) => !CONFLICTS[name]).join('; '), '', 'failures');
    return `${total - failed.length} of ${total} assertions hold, ${failed.length} conflict with the RFCs`;
  });

  report.section('the same random filters and patches at scim2-server 0.8.3');
  await report.check('both find the same people and keep the same values', async () => {
    const peer = await pythonEnvironment(here('requirements-peer.txt'));
    const port = await workshop.freePort();
    const state = workshop.start('scim2-server', path.join(peer, 'scim2-server'), ['--port', port, '--bearer-token', 'peer']);
    const url = `http://127.0.0.1:${port}/v2`;
    await workshop.ready(state, async () => (await fetch(`${url}/ServiceProviderConfig`, { headers: { authorization: 'Bearer peer' } })).ok);
    const scim = await company('differential');
    const { code, said } = await finish('python3', [here('differential.py'), scim.url, scim.token, url, 'peer', '2', '1000'], { allowed: true, within: 600_000 });
    const lines = said.trim().split('\n');
    for (const line of lines.slice(0, -1)) report.say(`      ${line}`);
    ok(code === 0, lines.at(-1));
    return lines.at(-1);
  });

  report.section('examples/embed_scim');
  const url = 'http://127.0.0.1:3002/scim/v2/acme';
  let program;
  const embedded = async () => {
    program ??= await example('embed_scim');
    const state = workshop.start('embed_scim', program, ['embedded']);
    await workshop.ready(state, async () => (await fetch(`${url}/ServiceProviderConfig`)).ok);
    return state;
  };
  await report.check('scim2-tester: every check is green', async () => {
    const state = await embedded();
    const { code, said } = await tester(bin, url, 'embedded');
    await workshop.stop(state);
    return judge(report, code, said);
  });
  for (const mode of ['strict', 'compat']) {
    await report.check(`scim-sanity, probe --${mode}: nothing fails`, async () => {
      const state = await embedded();
      const passed = await sanity(bin, mode, url, 'embedded');
      await workshop.stop(state);
      return passed;
    });
  }
});

function tester(bin, url, token) {
  const env = { SCIM_CLI_HEADERS: `Authorization: Bearer ${token}` };
  return finish(path.join(bin, 'scim2'), ['--url', url, 'test', '--verbose'], { env, allowed: true });
}

/** Runs scim-sanity, in which nothing may fail; how many checks passed. */
async function sanity(bin, mode, url, token) {
  const { said } = await finish(path.join(bin, 'scim-sanity'), ['probe', url, '--token', token, `--${mode}`, '--i-accept-side-effects'], { allowed: true });
  const failed = [...said.matchAll(/^ *\[(?:FAIL|ERROR)\] (.*)$/gm)].map(([, name]) => name.trim());
  equal(failed.join('; '), '', 'failures');
  const passed = said.match(/\[PASS\]/g)?.length ?? 0;
  ok(passed >= 28, `only ${passed} checks passed`);
  return `${passed} pass`;
}

/** The counts of scim2-tester's lines, and what is not green among them. */
function judge(report, code, said) {
  const counts = {};
  for (const line of said.split('\n')) {
    const [, status] = line.match(/^(SUCCESS|ERROR|CRITICAL|COMPLIANT|ACCEPTABLE|DEVIATION|SKIPPED)\b/) ?? [];
    if (!status) continue;
    counts[status] = (counts[status] ?? 0) + 1;
    if (!['SUCCESS', 'COMPLIANT', 'ACCEPTABLE'].includes(status)) report.say(`      ${line}`);
  }
  ok(code === 0, `exit code ${code}`);
  ok((counts.SUCCESS ?? 0) + (counts.COMPLIANT ?? 0) > 0, 'no check ran');
  ok(!counts.ERROR && !counts.CRITICAL && !counts.DEVIATION, JSON.stringify(counts));
  return Object.entries(counts).map(([status, count]) => `${count} ${status.toLowerCase()}`).join(', ');
}
