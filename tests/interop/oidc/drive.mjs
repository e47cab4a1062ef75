// Our relying party against OpenID Providers of others: npm oidc-provider, Keycloak, oidc-provider-mock.
import { drive } from '../lib/report.mjs';
import { Workshop } from '../lib/workshop.mjs';
import { Hall } from './hall.mjs';
import { keycloak } from './keycloak.mjs';
import { mock } from './mock.mjs';
import { node } from './node.mjs';

const parts = { node, keycloak, mock };
const named = process.argv.slice(2).filter((argument) => argument in parts);
const workshop = new Workshop('oidc');

await drive('oidc', workshop, async (report) => {
  const hall = await Hall.open(workshop, report);
  for (const [name, part] of Object.entries(parts)) {
    if (named.length > 0 && !named.includes(name)) continue;
    try {
      await part(hall);
    } catch (error) {
      // One product that does not start leaves the others to run; it counts as a failure, or as missing.
      await report.check(`${name} could be run`, () => { throw error; });
    }
  }
  if (hall.later.length > 0) report.section('five minutes after our next keys were published');
  for (const [what, check] of hall.later) await report.check(what, check);
});
