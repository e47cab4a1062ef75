// SAML messages as a browser carries them: how they travelled, and what protects them.
import { inflateRawSync } from 'node:zlib';

const KINDS = ['SAMLRequest', 'SAMLResponse'];

/** The message in a request of a browser, or undefined. */
export function messageIn(method, url, body) {
  const address = new URL(url);
  const query = new URLSearchParams(address.search);
  const form = method === 'POST' ? new URLSearchParams(body ?? '') : new URLSearchParams();
  for (const kind of KINDS) {
    const to = address.origin + address.pathname;
    if (query.has(kind)) {
      const bytes = Buffer.from(query.get(kind), 'base64');
      return { kind, to, url, binding: 'redirect', signed: query.has('Signature'), algorithm: query.get('SigAlg'), xml: inflateRawSync(bytes).toString() };
    }
    if (form.has(kind)) {
      const xml = Buffer.from(form.get(kind), 'base64').toString();
      return { kind, to, url, binding: 'post', signed: /<(\w+:)?Signature[\s>]/.test(xml), algorithm: signatureMethods(xml)[0], xml };
    }
  }
  return undefined;
}

export const rootOf = ({ xml }) => xml.match(/<(?:\w+:)?(AuthnRequest|Response|LogoutRequest|LogoutResponse)[\s>]/)?.[1];

const all = (xml, pattern) => [...xml.matchAll(pattern)].map(([, found]) => found);
const short = (uri) => uri.split(/[#/]/).at(-1);
const signatureMethods = (xml) => all(xml, /<(?:\w+:)?SignatureMethod\b[^>]*Algorithm="([^"]*)"/g);
const idOf = (xml, element) => xml.match(new RegExp(`<(?:\\w+:)?${element}\\b[^>]*?\\sID="([^"]*)"`))?.[1];

/** What protects a response, in words: read from the message itself, not from what was configured. */
export function protection({ xml }) {
  const references = all(xml, /<(?:\w+:)?Reference\b[^>]*URI="#([^"]*)"/g);
  const said = [];
  for (const [element, name] of [['Response', 'response'], ['Assertion', 'assertion']]) {
    if (references.includes(idOf(xml, element))) said.push(`${name} signed`);
  }
  const methods = [...new Set(signatureMethods(xml).map(short))];
  if (methods.length > 0) said.push(methods.join(' and '));
  if (/<(\w+:)?EncryptedAssertion[\s>]/.test(xml)) {
    const ciphers = all(xml, /<(?:\w+:)?EncryptionMethod\b[^>]*Algorithm="([^"]*)"/g).map(short);
    const within = xml.match(/<(?:\w+:)?EncryptedKey\b[\s\S]*?<\/(?:\w+:)?EncryptionMethod>/)?.[0] ?? '';
    const options = all(within.slice(within.indexOf('EncryptionMethod')), /<(?:\w+:)?(?:DigestMethod|MGF)\b[^>]*Algorithm="([^"]*)"/g).map(short);
    said.push(`assertion encrypted: ${[...new Set([...ciphers, ...options])].join(', ')}`);
  }
  return said.join(', ') || 'nothing signed';
}
