// What the judges' verdicts have in common, and the report.
import { X509Certificate, createPrivateKey } from 'node:crypto';

/** Rules whose finding is a word of ours and not a value of the message: it belongs to the class. */
const TELLING = ['xml', 'misplaced', 'id', 'form', 'signature_form', 'algorithm', 'canonicalization', 'encryption', 'assertion_count', 'name_id'];

/** Why one judge decides otherwise than we do, as a class of disagreements; null when both agree. */
export function disagreement(name, row, ours, theirs) {
  if (ours.decision === 'none') return `vestibule gives no verdict: ${ours.reason}`;
  if (ours.decision === 'accept') {
    if (theirs.decision === 'accept') return same(ours.name_id, theirs.name_id) ? null : `${name} reads another NameID`;
    return `${name} refuses: ${theirs.decision === 'none' ? 'gives no verdict' : plain(theirs.reason)}${marks(genuine(row))}`;
  }
  // To end without a verdict is a fault of theirs, but it lets nobody in.
  if (theirs.decision !== 'accept') return null;
  const got = TELLING.includes(ours.rule) ? / got (.*)$/s.exec(ours.reason)?.[1] : null;
  return `${name} accepts what we refuse by ${ours.rule}${got ? `: ${plain(got)}` : ''}${marks(weak(row.context))}`;
}

function marks(found) {
  return found.length > 0 ? ` [${found.join(', ')}]` : '';
}

/** What is particular about a message that we accept, so that its grammar can be relied on. */
function genuine({ text, context }) {
  const kinds = new Set(certificates(context).map((key) => key.asymmetricKeyType));
  return [
    [text.includes('EncryptedAssertion'), 'encrypted assertion'],
    // OAEP names SHA-1 too, inside the encrypted assertion.
    [/xmldsig#(?:rsa-)?sha1["']/.test(text.replace(/<[\w:]*EncryptedAssertion.*EncryptedAssertion>/s, '')), 'SHA-1'],
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

function said(verdict) {
  const who = verdict.name_id ? ` \`${verdict.name_id.trim().slice(0, 60)}\`` : '';
  if (verdict.decision === 'accept') return `accepts${who}`;
  return `${verdict.decision === 'none' ? 'no verdict' : 'refuses'}: ${verdict.rule ? `${verdict.rule}: ` : ''}${String(verdict.reason).slice(0, 140)}`;
}

function cell(text) {
  return String(text ?? '').replaceAll('|', '\\|').replace(/\s+/g, ' ');
}
