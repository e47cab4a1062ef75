// The same responses judged by `vestibule saml verify`, python3-saml and samael: every disagreement needs an explanation.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { drive, ok } from '../../lib/report.mjs';
import { Absent, Workshop } from '../../lib/workshop.mjs';
import { classes, markdown, totals, transcript } from './compare.mjs';
import { ours, python3Saml, samael } from './judges.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The arguments, as the README has them. */
function read(args) {
  const options = { report: here('report.md'), transcript: null, withheld: [], folders: [] };
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--report') options.report = path.resolve(args[at += 1] ?? '');
    else if (args[at] === '--transcript') options.transcript = path.resolve(args[at += 1] ?? '');
    else if (args[at] === '--withheld') options.withheld.push(path.resolve(args[at += 1] ?? ''));
    else if (args[at] !== '--record') options.folders.push(path.resolve(args[at]));
  }
  if (options.folders.length === 0) options.folders.push(here('../../../data/saml/public'));
  return options;
}

/** Every response below a folder, with its context; `group` is the first folder on the way to it. */
function corpus(folder, way = []) {
  const place = (name) => path.join(folder, ...way, name);
  const json = (name) => JSON.parse(readFileSync(place(name), 'utf8'));
  const text = (file) => Buffer.from(readFileSync(place(file), 'latin1'), 'base64').toString('utf8');
  const row = (file, more) => ({ name: [...way, file].join('/'), group: way[0], file: place(file), text: text(file), ...more });
  if (existsSync(place('manifest.json'))) {
    return json('manifest.json').vectors.map(({ file, context, expect, why }) => row(file, { context, expect, why }));
  }
  const entries = readdirSync(place('.'), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  if (existsSync(place('context.json'))) {
    const context = json('context.json');
    const expected = existsSync(place('expect.json')) ? json('expect.json') : {};
    return entries.filter(({ name }) => name.endsWith('.b64')).map(({ name }) => row(name, { context, expect: expected[name] }));
  }
  return entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => corpus(folder, [...way, name]));
}

const { report: reportFile, transcript: transcriptFile, withheld: withheldFiles, folders } = read(process.argv.slice(2));
const workshop = new Workshop('differential');

await drive('saml/differential', workshop, async (report) => {
  const rows = folders.flatMap((folder) => corpus(folder));
  ok(rows.length > 0, `no group with a context below ${folders.join(', ')}`);

  const judges = [await ours()];
  for (const [name, make] of [['python3-saml', python3Saml], ['samael', samael]]) {
    try {
      judges.push(await make());
    } catch (error) {
      if (!(error instanceof Absent)) throw error;
      report.leaveOut(`${name}: ${error.message}`);
    }
  }
  const names = judges.map((judge) => judge.name);

  // One call for all responses under one context: starting a program costs more than a verdict.
  const sameContext = new Map();
  for (const row of rows) {
    row.verdicts = new Map();
    const key = JSON.stringify(row.context);
    sameContext.set(key, [...(sameContext.get(key) ?? []), row]);
  }
  for (const judge of judges) {
    for (const group of sameContext.values()) {
      const verdicts = await judge.judge(workshop, group[0].context, group.map((row) => row.file));
      for (const row of group) row.verdicts.set(judge.name, verdicts.get(row.file));
    }
  }

  const told = (files) => Object.assign({}, ...files.map((file) => JSON.parse(readFileSync(file, 'utf8'))));
  const open = told([here('explanations.json')]);
  const withheld = told(withheldFiles);
  const explanations = { ...withheld, ...open };
  const found = classes(rows, names);
  const unexpected = rows.filter((row) => row.expect && row.verdicts.get(names[0]).decision !== row.expect);
  writeFileSync(reportFile, markdown({ rows, names, found, explanations, unexpected }));
  if (transcriptFile) writeFileSync(transcriptFile, transcript({ rows, names, found, open, withheld, unexpected }));

  for (const [name, count] of totals(rows, names)) report.say(`      ${name}: ${count.accept} accepted, ${count.reject} refused, ${count.none} without a verdict`);
  await report.check('our verdict is the expected one', () => {
    ok(unexpected.length === 0, unexpected.map((row) => row.name).join(', '));
    return `${rows.filter((row) => row.expect).length} of ${rows.length} responses have one`;
  });
  await report.check('every disagreement has an explanation', () => {
    const missing = [...found].filter(([kind]) => !explanations[kind]);
    for (const [kind, list] of missing) report.say(`      ${kind}: ${list.length}, such as ${list[0].name}`);
    ok(missing.length === 0, `${missing.length} classes have none in explanations.json`);
    const kept = [...found.keys()].filter((kind) => !open[kind]).length;
    return `${[...found.values()].flat().length} in ${found.size} classes${kept > 0 ? `, of which ${kept} withheld` : ''}`;
  });
});
