// What the judges' verdicts have in common, and the report.
import { X509Certificate, createPrivateKey } from 'node:crypto';

/** Rules whose finding is a word of ours and not a value of the message: it belongs to the class. */
const TELLING = ['id', 'assertion_count', 'name_id', 'encoding', 'root'];

/** Rules that compare a value with ours: the class tells how the two differ. */
const COMPARING = ['destination', 'recipient', 'audience', 'issuer', 'in_response_to', 'version', 'status'];

/** Rules about the response around the assertion: who signed that part can matter. */
const AROUND = ['destination', 'issuer', 'in_response_to', 'version', 'status'];

/** Why one judge decides otherwise than we do, as a class of disagreements; null when both agree. */
export function disagreement(name, row, ours, theirs) {
  if (ours.decision === 'none') return `vestibule gives no verdict: ${ours.reason}`;
  if (ours.decision === 'accept') {
    if (theirs.decision === 'accept') return same(ours.name_id, theirs.name_id) ? null : `${name} reads another NameID${marks(read(theirs))}`;
    return `${name} refuses: ${theirs.decision === 'none' ? 'gives no verdict' : plain(theirs.reason)}${marks(genuine(row))}`;
  }
  // To end without a verdict is a fault of theirs, but it lets nobody in.
  if (theirs.decision !== 'accept') return null;
  const what = finding(row, ours);
  return `${name} accepts what we refuse by ${ours.rule}${what ? `: ${what}` : ''}${marks([...weak(row.context), ...odd(row, ours, what), ...read(theirs)])}`;
}

/** What is wrong with a message that we refuse, without the values of the one message. */
function finding(row, { rule, reason }) {
  const [, wanted = '', got = ''] = /: wanted (.*?)(?:, got (.*))?$/s.exec(reason) ?? [];
  if (rule === 'xml') return detail(row.text, plain(got));
  if (rule === 'misplaced') return got.startsWith('Assertion in ') ? 'an assertion in another place' : got;
  if (rule === 'form') return ['text', 'several'].includes(got) ? got : 'another element';
  if (TELLING.includes(rule)) return plain(got);
  if (['algorithm', 'canonicalization', 'encryption'].includes(rule)) return /^https?:.*\/([^/]+)$/.exec(got)?.[1] ?? plain(got);
  if (rule === 'signature_form') return got === 'something else' ? `not ${wanted}` : got;
  if (rule === 'instant') return instant(wanted, got);
  // An attacker learns nothing from this refusal, so its reason says nothing either; the name of the case does.
  if (rule === 'decryption' && row.text.includes('EncryptedAttribute')) return 'an encrypted attribute';
  if (rule === 'decryption') return row.name.replace(/^.*\/(?:\d+-)?|(?:-(?:assertion|response|both))?(?:-signed)?\.b64$|-Aes\w+/g, '').replace(/\d+/g, 'N').replaceAll('-', ' ');
  if (rule === 'version') return /<[\w:]*Assertion\b[^>]*\sVersion="2\.0"/.test(row.text) ? 'of the response' : 'of the assertion';
  if (rule === 'issuer' && wanted.endsWith('nameid-format:entity')) return 'its format';
  if (COMPARING.includes(rule)) return likeness(wanted, got);
  return null;
}

/** How the value that we got differs from the one that we wanted. */
function likeness(wanted, got) {
  if (got === '') return 'nothing';
  if (/^(?:no|in the) /.test(got)) return got;
  if (got.trim() === wanted) return 'white space around it';
  if (URL.canParse(got) && URL.canParse(wanted) && new URL(got).href === new URL(wanted).href) return 'another spelling of it';
  if (got.startsWith(wanted)) return 'it and more';
  return wanted.startsWith('an answer to') ? 'nobody waits' : 'another';
}

function instant(wanted, got) {
  const place = wanted.endsWith('AuthnInstant') ? 'AuthnInstant, ' : '';
  if (got.startsWith('no ')) return `${place}${got}`;
  if (/^\S+T\d\d:\d\d:\d\d$/.test(got)) return `${place}without a zone`;
  if (/^\S+ \S+Z$/.test(got)) return `${place}a space for the T`;
  if (/^\S+z$/.test(got)) return `${place}a small z`;
  if (/^\S+Z\s+$/.test(got)) return `${place}white space after it`;
  return `${place}another form`;
}

/** Faults of XML that our reader calls by one name, of which some are none to a reader that takes all of XML. */
function detail(text, what) {
  if (what.startsWith('a processing instruction') && /<\?xml[\s?]/i.test(text.replace(/^<\?xml\s/, ''))) return `${what}, named xml`;
  if (what.startsWith('a document type') && text.search('<!DOCTYPE') > text.search(/<[\w:]*Response[\s>]/)) return `${what}, not in front`;
  if (what.startsWith('a reserved namespace') && text.includes('xmlns:xml="http://www.w3.org/XML/1998/namespace"')) return `${what}, as what it is`;
  if (what.startsWith('a CDATA section') && text.lastIndexOf('<![CDATA[') > text.lastIndexOf('Response>')) return `${what}, outside the root element`;
  if (what.startsWith('the XML declaration names another') && /^[^>]*encoding=["']utf-16/i.test(text)) return `${what}, which the text has not`;
  return what;
}

/** What is particular about a message that another judge accepts. */
function odd({ text, context }, { rule }, what) {
  const unsolicited = rule === 'in_response_to' && context.allow_unsolicited;
  const around = AROUND.includes(rule) && !['of the assertion', 'its format'].includes(what);
  const alone = text.search(/<(?:\w+:)?Signature[\s>]/) > text.search(/<(?:\w+:)?Assertion[\s>]/);
  return [
    [unsolicited, 'unsolicited responses are allowed'],
    [around && alone && !unsolicited, 'the assertion alone is signed'],
    [/ xmlns:(?:samlp="(?!urn:oasis:names:tc:SAML:2\.0:protocol")|saml="(?!urn:oasis:names:tc:SAML:2\.0:assertion"))/.test(text), 'a foreign namespace by the usual prefix'],
    [rule !== 'decryption' && text.includes('EncryptedAttribute'), 'encrypted attribute'],
  ].flatMap(([there, mark]) => (there ? [mark] : []));
}

/** What is odd about the name that another judge reads. */
function read({ name_id: name }) {
  if (name === null) return ['it reads no name'];
  return /^[ \t\r\n]*$/.test(name) ? ['it reads a blank name'] : [];
}

function marks(found) {
  return found.length > 0 ? ` [${found.join(', ')}]` : '';
}

/** What is particular about a message that we accept, so that its grammar can be relied on. */
function genuine({ text, context }) {
  const kinds = new Set(certificates(context).map((key) => key.asymmetricKeyType));
  return [
    [text.includes('EncryptedAssertion'), 'encrypted assertion'],
    // OAEP names SHA-1 too, inside what is encrypted.
    [/xmldsig#(?:rsa-)?sha1["']/.test(text.replace(/<[\w:]*EncryptedData[\s>].*EncryptedData>/gs, '').replace(/<[\w:]*EncryptedKey[\s>].*EncryptedKey>/gs, '')), 'SHA-1'],
    [/REC-xml-c14n-20010315["']/.test(text), 'inclusive canonicalization'],
    [kinds.size > 1, 'keys of two kinds'],
    [text.length > 300_000, 'large'],
  ].flatMap(([there, mark]) => (there ? [mark] : []));
}

/** Keys of the context that are too short for us: they count as absent. */
function weak(context) {
  const short = (key) => (key.asymmetricKeyDetails.modulusLength ?? 2048) < 2048;
  return [
    [certificates(context).some(short), 'signed with a key under 2048 bits'],
    [(context.sp_private_keys ?? []).some((pem) => short(createPrivateKey(pem))), 'encrypted to a key under 2048 bits'],
  ].flatMap(([there, mark]) => (there ? [mark] : []));
}

function certificates({ idp_certificates: pems = [] }) {
  return pems.map((pem) => new X509Certificate(pem).publicKey);
}

/** White space around a NameID means nothing. */
function same(ours, theirs) {
  return (ours ?? '').trim() === (theirs ?? '').trim();
}

/** A reason without the values of the one message. */
export function plain(reason) {
  return String(reason)
    .replace(/^OneLogin_Saml2_(?:Validation)?Error: /, '')
    .replace(/ at byte \d+$/, '')
    .replace(/Some\("(?:[^"\\]|\\.)*"\)|"[^"]*"|\[[^\]]*\]/g, '…')
    .replace(/\b(?:https?|urn):[^\s,;)]+/g, '…')
    .replace(/\b_?[0-9a-zA-Z-]*\d[0-9a-zA-Z-]{5,}\b/g, '…')
    .replace(/\b\d+\b/g, 'N')
    .slice(0, 160)
    .trim();
}

/** Counts of what each judge decided: Map of name → {accept, reject, none}. */
export function totals(rows, names) {
  return new Map(names.map((name) => {
    const count = { accept: 0, reject: 0, none: 0 };
    for (const row of rows) count[row.verdicts.get(name).decision] += 1;
    return [name, count];
  }));
}

/** The disagreements by class: Map of class → rows. */
export function classes(rows, names) {
  const found = new Map();
  for (const row of rows) {
    for (const name of names.slice(1)) {
      const kind = disagreement(name, row, row.verdicts.get(names[0]), row.verdicts.get(name));
      if (kind) found.set(kind, [...(found.get(kind) ?? []), row]);
    }
  }
  return new Map([...found].sort(([a], [b]) => a.localeCompare(b)));
}

/** The report in Markdown. */
export function markdown({ rows, names, found, explanations, unexpected }) {
  const out = ['# Differential run', '', `${rows.length} responses, judged by ${names.join(', ')}.`, '', '## Totals', ''];
  out.push('| | accepted | refused | no verdict | otherwise than we |', '| --- | --- | --- | --- | --- |');
  for (const [name, count] of totals(rows, names)) {
    const others = [...found].filter(([kind]) => kind.startsWith(`${name} `)).reduce((sum, [, list]) => sum + list.length, 0);
    out.push(`| ${name} | ${count.accept} | ${count.reject} | ${count.none} | ${name === names[0] ? '' : others} |`);
  }
  out.push('', '## Against what the corpus expects', '');
  if (unexpected.length === 0) out.push(`Our verdict is the expected one in each of the ${rows.filter((row) => row.expect).length} cases that have one.`);
  for (const row of unexpected) out.push(`- \`${row.name}\`: ${row.expect} expected (${cell(row.why)}), ${said(row.verdicts.get(names[0]))}`);
  out.push('', '## Classes of disagreement', '', '| class | responses | explanation |', '| --- | --- | --- |');
  for (const [kind, list] of found) out.push(`| ${cell(kind)} | ${list.length} | ${cell(explanations[kind] ?? '**not explained**')} |`);
  out.push('', '## Each disagreement', '', `| response | ${names.join(' | ')} |`, `| --- |${' --- |'.repeat(names.length)}`);
  const named = new Set([...found.values()].flat());
  for (const row of rows.filter((row) => named.has(row))) {
    out.push(`| \`${row.name}\` | ${names.map((name) => cell(said(row.verdicts.get(name)))).join(' | ')} |`);
  }
  return `${out.join('\n')}\n`;
}

/** What is kept of a run over a corpus: the counts by group, and each class with its sentence unless that is withheld. */
export function transcript({ rows, names, found, open, withheld, unexpected }) {
  const others = names.slice(1);
  const groups = [...new Set(rows.map((row) => row.group))];
  const differing = (name, group) => new Set([...found].filter(([kind]) => kind.startsWith(`${name} `)).flatMap(([, list]) => list.filter((row) => !group || row.group === group))).size;
  const line = (group, count, differ) => group.padEnd(12) + String(count).padStart(7) + others.map((name) => String(count - differ(name)).padStart(21) + String(differ(name)).padStart(10)).join('');
  const out = [`# The generated corpus, ${new Date().toISOString().slice(0, 10)}`, ''];
  out.push(`${rows.length} responses, judged by ${names.join(', ')}; our verdict is another than the expected one in ${unexpected.length} of them.`, '');
  out.push('group'.padEnd(12) + 'judged'.padStart(7) + others.map((name) => `${name} agrees`.padStart(21) + 'disagrees'.padStart(10)).join(''));
  for (const group of groups) out.push(line(group, rows.filter((row) => row.group === group).length, (name) => differing(name, group)));
  out.push(line('total', rows.length, (name) => differing(name)));
  for (const name of others) {
    const mine = [...found].filter(([kind]) => kind.startsWith(`${name} `));
    out.push('', `## ${name}: ${mine.length} classes`, '');
    for (const [kind, list] of mine.filter(([kind]) => open[kind] || !withheld[kind])) {
      out.push(`${String(list.length).padStart(4)}  ${kind.slice(name.length + 1)}`, `      ${open[kind] ?? 'not explained'}`);
    }
    const kept = mine.filter(([kind]) => withheld[kind] && !open[kind]).map(([, list]) => list.length).sort((a, b) => b - a);
    if (kept.length > 0) out.push('', `${kept.length} classes withheld until its maintainers have been told, with so many responses: ${kept.join(', ')}`);
  }
  return `${out.join('\n')}\n`;
}

function said(verdict) {
  const who = verdict.name_id ? ` \`${verdict.name_id.trim().slice(0, 60)}\`` : '';
  if (verdict.decision === 'accept') return `accepts${who}`;
  return `${verdict.decision === 'none' ? 'no verdict' : 'refuses'}: ${verdict.rule ? `${verdict.rule}: ` : ''}${String(verdict.reason).slice(0, 140)}`;
}

function cell(text) {
  return String(text ?? '').replaceAll('|', '\\|').replace(/\s+/g, ' ');
}
