// A key with a self-signed certificate for an identity provider that makes none itself.
import { readFileSync } from 'node:fs';

import { Absent, finish } from '../../lib/workshop.mjs';

/** Makes both in the scratch folder; `kind` is what `openssl req -newkey` calls it. */
export async function makeCertificate(workshop, name, kind = ['rsa:2048']) {
  const [keyFile, certificateFile] = [workshop.path(`${name}.key.pem`), workshop.path(`${name}.pem`)];
  const [algorithm, ...options] = kind;
  try {
    await finish('openssl', ['req', '-x509', '-newkey', algorithm, ...options, '-nodes', '-days', '30', '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', certificateFile]);
  } catch (error) {
    if (error.code === 'ENOENT') throw new Absent('openssl is not installed');
    throw error;
  }
  return { keyFile, certificateFile, key: readFileSync(keyFile, 'utf8'), certificate: readFileSync(certificateFile, 'utf8') };
}
