// An installation with everything that the pages can show.
import { createHash, randomBytes } from 'node:crypto';

import { makeCertificate } from '../saml/lib/certificate.mjs';

export const PASSWORD = 'correct horse battery staple';

/** Organizations with and without a brand, their ways in, and applications of every kind. */
export async function makeWorld(workshop, report, vestibule) {
  const api = (method, place, body) => vestibule.api(method, place, body);
  const club = async (name, domain, branding, policy = { password_login: true }) => {
    const organization = await api('POST', '/organizations', { name, domains: [domain], policy, ...(branding && { branding }) });
    for (const person of ['Ada Lovelace', 'Grace Hopper']) {
      const user_name = `${person.split(' ')[0].toLowerCase()}@${domain}`;
      await api('POST', `/organizations/${organization.id}/users`, { user_name, email: user_name, display_name: person, password: PASSWORD });
    }
    return organization;
  };
  const plain = await club('Plain Works', 'plain.test');
  const branded = await club('Lumière & Fils', 'lumiere.test', { color: '#ffd400', display_name: 'Maison Lumière' });
  await vestibule.putLogo(branded.id, logo());
  const dark = await club('Nocturne', 'nocturne.test', { color: '#0b1d3a' });
  const shut = await club('Shut Works', 'shut.test', undefined, { password_login: false });

  const several = await club('Several Works', 'several.test', { color: '#0f7b5f' });
  const oidc = { protocol: 'oidc', oidc: { issuer: 'http://127.0.0.1:1', client_id: 'x', client_secret: 'y' }, join: { directory: 'externalId', claim: 'sub' } };
  await api('POST', `/organizations/${several.id}/connections`, { ...oidc, name: 'Microsoft Entra ID' });
  await api('POST', `/organizations/${several.id}/connections`, { ...oidc, name: 'Partner accounts of the whole group of companies' });
  const away = await club('Away Works', 'away.test', { color: '#7a1fa2' }, { password_login: false });
  await api('POST', `/organizations/${away.id}/connections`, { ...oidc, name: 'Away' });
  const posting = await club('Posting Works', 'posting.test', undefined, { password_login: false });
  const { certificate } = await makeCertificate(workshop, 'idp');
  await api('POST', `/organizations/${posting.id}/connections`, { protocol: 'saml', name: 'Posting', saml: { metadata_xml: metadata(certificate) } });

  const register = async (name, more) => {
    const application = await api('POST', '/applications', { name, token_endpoint_auth_method: 'none', ...more });
    report.hide(application.client_secret);
    return { ...application, redirect_uri: more.redirect_uris[0] };
  };
  return {
    plain, branded, dark, shut, several, away, posting,
    notes: await register('Field Notes', { redirect_uris: ['http://app.localhost:1/callback'] }),
    stranger: await register('Plotter Pro', { redirect_uris: ['http://plotter.localhost:1/callback'], third_party: true, claims: { employee_number: 'employeeNumber' } }),
    native: await register('Field Notes for phones', { redirect_uris: ['com.example.app:/callback'] }),
  };
}

/** An authorization request's address. */
export function authorize(vestibule, application, parameters = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const url = new URL(`${vestibule.url}/oauth/authorize`);
  const all = {
    client_id: application.client_id,
    response_type: 'code',
    redirect_uri: application.redirect_uri,
    scope: 'openid profile email',
    state: 'state',
    nonce: 'nonce',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  };
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
  return url.href;
}

/** A picture of 320 by 80 pixels, in two colors on a transparent ground. */
const logo = () => Buffer.from([
  'iVBORw0KGgoAAAANSUhEUgAAAUAAAABQAgMAAAAVX0QWAAAACVBMVEUAAAD/tAAaGhreHsnfAAAAAXRSTlMAQObYZgAAAUdJREFUeNrtmDkOgzAQRQ0SDT2XyClyBAqcgiNwCi5BTxMJ',
  '5pQxw+YIB7N8xS78pbAE84T9vcxYiKCgIJfKpJRIXqJ4ssDxIsnKsR+I/EQ56YmtMa7O2QyU4Bqj6hytwBzpMc7ntQlBjbgFpt14frTjgWp1pjomInXD4htS5VKaLkyezK7cA0Y6MPcR',
  'mOjAAgDUPZlc2QCpVe/XQsw/pZjGQ9rtmQwEEjUoIHNKon7tNwBgpRoWChycan4Da/XPUSB3w9cAfC8d8T6wHIC9z8CKu/s/gWKFcdGBpQ29NgAdAxeX+THAZSdA60hxDrTONkYgl7s4',
  'H54GWmbs80DLmnIKeGTVuwD8XpdJG1czYxM5TPPhocjhFtAU29wCmqIvv4CGCNb/oN23PAWeScFzPXw2Cs+X4Rk9fs8BvisC37fB7ywFBQXt6QOBqeRiA4wDXQAAAABJRU5ErkJggg==',
].join(''), 'base64');

const metadata = (certificate) => `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.posting.test/metadata">
<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>${certificate.replace(/-----[^-]+-----|\s/g, '')}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.posting.test/sso"/>
</IDPSSODescriptor></EntityDescriptor>`;
