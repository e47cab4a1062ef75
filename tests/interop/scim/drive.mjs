// Independent conformance tools against a running server, each with a directory of its own.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { drive, equal, ok } from '../lib/report.mjs';
import { pythonEnvironment } from '../lib/python.mjs';
import { startVestibule } from '../lib/vestibule.mjs';
import { Absent, Workshop, finish } from '../lib/workshop.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const workshop = new Workshop('scim');

/** Checks of scim-sanity that want what we refuse, and why. */
const ON_PURPOSE = {
  'PATCH /Groups/{id} add member': 'it adds an id that nobody has; answered with 400 invalidValue, for a group holds only members of its directory',
};

await drive('scim', workshop, async (report) => {
  const bin = await pythonEnvironment(here('requirements.txt'));
  report.say((await readFile(here('requirements.txt'), 'utf8')).trim().replaceAll('==', ' ').split('\n').join(', '));
  const vestibule = await startVestibule(workshop, report);
  const company = async (name) => (await vestibule.addCompany(report, { name, domain: `${name}.test` })).scim;

  report.section('scim2-tester, through scim2-cli');
  await report.check('every check is green', async () => {
    const scim = await company('tester');
    const { code, said } = await finish(path.join(bin, 'scim2'), ['--url', scim.url, 'test', '--verbose'], {
      env: { SCIM_CLI_HEADERS: `Authorization: Bearer ${scim.token}` },
      allowed: true,
    });
    await writeFile(workshop.path('scim2-tester.txt'), said);
    return judge(report, code, said);
  });

  report.section('scim-sanity');
  for (const mode of ['strict', 'compat']) {
    await report.check(`probe --${mode}: nothing fails but what we refuse on purpose`, async () => {
      const scim = await company(mode);
      const { said } = await finish(path.join(bin, 'scim-sanity'), ['probe', scim.url, '--token', scim.token, `--${mode}`, '--i-accept-side-effects'], { allowed: true });
      await writeFile(workshop.path(`scim-sanity-${mode}.txt`), said);
      const failed = [...said.matchAll(/^ *\[(?:FAIL|ERROR)\] (.*)$/gm)].map(([, name]) => name.trim());
      for (const name of failed) report.say(`      ${name}: ${ON_PURPOSE[name] ?? 'FAIL'}`);
      equal(failed.filter((name) => !ON_PURPOSE[name]).join('; '), '', 'failures');
      const passed = said.match(/\[PASS\]/g)?.length ?? 0;
      ok(passed >= 25, `only ${passed} checks passed`);
      return `${passed} pass, ${failed.length} refused on purpose`;
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
});

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
