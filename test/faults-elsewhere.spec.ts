import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * What went wrong in other certificate managers, by number, with where it was reported. The title of each test that
 * keeps a fault out of this program names its number, as in `(8: cert-manager#8380)`.
 */
const faults: Record<number, string> = {
  1: 'A list shows the old end of a certificate after its automatic renewal. NginxProxyManager#792',
  2: 'The files are renewed, the server is not reloaded, and serves the old certificate. NginxProxyManager#3803',
  3: 'The private key is in every answer of a list, and in the log. NginxProxyManager#5128',
  4: 'A certificate that was revoked by hand is not replaced. certimate#1182',
  5: 'A schedule that never fires is accepted. certimate#928',
  6: 'A destination that is added later never gets the certificate. certimate#287',
  7: 'A superseded certificate is renewed for ever. certmate#391',
  8: 'A CA returns a wrong key or an expired certificate: issuing without end. cert-manager#8380',
  9: 'Success is announced although nothing was renewed. certimate#594',
  10: 'An upload that returns an empty id counts as delivered. certimate#624',
  11: 'Intermediate certificates are lost on the way. certd#408',
  12: 'One page shows the new end, another one the old. certd#755',
  13: 'A CA that answers late: the delivery never happens, or two of them race. Infisical PR#6610',
  14: 'Renewals fail for weeks without a message, while health is good. certmate#417',
  15: 'A wildcard certificate is looked for at its apex, and "deployed" comes from a cache. certmate#381',
  16: 'A certificate without a date that can be read is called expired. certmate#88',
  17: 'A renewal halves the validity and drops settings of the certificate. certmate#422',
  18: 'Each new CRL has other dates of revocation, or an expired one is served. certmate#391',
  19: 'A successor does not warn because its predecessor did. OctopusDeploy#7978',
  20: 'A notice is sent at every check, or twice by two workers. uptime-kuma#2648',
  21: 'An issuer that is down when a renewal is due stops it for ever. cert-manager#3941',
  22: 'The CA rejects what an order says that it replaces, and all renewals fail. acmebot#1196',
  23: 'A source with stable ids matches the certificate that was renewed meanwhile. netbox-ssl#180',
  24: 'Search finds only what is on the loaded page, and pages miss rows. UCM#280',
  25: 'Times have no zone and are shifted. UCM#87',
  26: 'Two clicks make two CAs. UCM#269',
  27: 'Equal serial numbers of two issuers are called a duplicate. UCM#85',
  28: 'A pending request is lost when the page is loaded again. certmate#399',
  29: 'Saving a form that was loaded in part deletes what it did not show. certmate#424',
  30: 'Revoking a revoked or an expired certificate does nothing, without a message. vault#5885',
  31: 'A figure of the dashboard opens a list without its filter, and takes half a minute. ILM fe#727, core#789',
  32: 'A deletion is refused without naming what uses the thing. ejbca-ce#991',
  35: 'A stricter release refuses the renewals of fleets, which nobody could know before. UCM 2.203',
  36: 'A task crashes on each run and nobody sees it; a switch is not stored. UCM 2.122',
};

/** What a test cannot name yet, and why. It belongs above as soon as the reason is gone. */
const later: Record<number, string> = {
  33: 'Names in a CSR that no challenge proved, orders of other accounts (UCM 2.204): there is no ACME server here.',
  34: 'External accounts and account states that one of several ways skips (UCM#112): there is no ACME server here.',
};

const root = join(__dirname, '..');
const own = 'faults-elsewhere.spec.ts';

function titles(): string[] {
  return ['src', 'plugins', 'test']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((f) => join(folder, f)),
    )
    .filter((file) => file.endsWith('.spec.ts') && file !== join('test', own))
    .flatMap((file) => readFileSync(join(root, file), 'utf8').match(/\b(it|describe)\b[^\n]*['"`]/g) ?? []);
}

describe('faults of other certificate managers', () => {
  it('are each kept out by a test that names the number of the fault', () => {
    const named = new Set(titles().flatMap((title) => (title.match(/(?<=[(\s])\d+(?=: [A-Za-z])/g) ?? []).map(Number)));
    expect(Object.keys(faults).filter((number) => !named.has(Number(number)))).toEqual([]);
    expect([...named].filter((number) => !(number in faults))).toEqual([]);
    const all = [...Object.keys(faults), ...Object.keys(later)].map(Number).sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: 36 }, (_, at) => at + 1));
  });
});
