// Signs by ECDSA with the command of the xmlsec library, since samlp signs by RSA only.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { Absent, finish } from '../../lib/workshop.mjs';

const templates = createRequire(import.meta.url)('samlp/lib/templates');

const template = (id, method, digest) => `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#${method}"/>
<ds:Reference URI="#${id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/${digest}"/><ds:DigestValue/></ds:Reference>
</ds:SignedInfo><ds:SignatureValue/></ds:Signature>`;

/** Settings for samlp that let xmlsec sign what it says; `element` is `Response` or `Assertion`. */
export async function signedByXmlsec(workshop, element, { keyFile }, method, digest) {
  await finish('xmlsec1', ['--version']).catch(() => { throw new Absent('xmlsec1 is not installed'); });
  const namespace = `urn:oasis:names:tc:SAML:2.0:${element === 'Response' ? 'protocol' : 'assertion'}`;
  const sign = async (bytes) => {
    const xml = bytes.toString();
    const at = xml.search(new RegExp(`<(\\w+:)?${element}[\\s>]`));
    const id = xml.slice(at).match(/\sID="([^"]*)"/)[1];
    const after = at + xml.slice(at).search(/<\/(\w+:)?Issuer>/);
    const end = xml.indexOf('>', after) + 1;
    const [given, signed] = [workshop.path('given.xml'), workshop.path('signed.xml')];
    writeFileSync(given, xml.slice(0, end) + template(id, method, digest) + xml.slice(end));
    await finish('xmlsec1', ['--sign', '--id-attr:ID', `${namespace}:${element}`, '--privkey-pem', keyFile, '--output', signed, given]);
    return readFileSync(signed);
  };
  return {
    signAssertion: false,
    responseHandler: (response, options, request, answer, next) => sign(response).then((signed) => {
      answer.set('Content-Type', 'text/html');
      answer.send(templates.form({ type: 'SAMLResponse', callback: options.postUrl, RelayState: request.query.RelayState ?? '', token: signed.toString('base64') }));
    }).catch(next),
  };
}
