import { sectigo } from '../../plugins/sectigo/sectigo.issuer.js';
import type { SectigoOptions } from '../../plugins/sectigo/sectigo.options.js';
import { type FakeSectigo, sectigoAccount } from '../fakes/sectigo.js';
import type { IssuerBench } from './issuer-faults.js';
import type { SigningCa } from './signing-ca.js';

export type GivenSectigo = Partial<Record<keyof SectigoOptions, unknown>>;
type Bench = IssuerBench<typeof sectigo.options>;

/** Sectigo with either sign-in and for either kind of certificate, at a stand-in that is new for each test. */
export function sectigoBenches(fake: () => FakeSectigo, ca: () => SigningCa) {
  const { login, password, customerUri, clientId, clientSecret } = sectigoAccount;
  const optionsWith =
    (signIn: GivenSectigo) =>
    (changed: GivenSectigo = {}): SectigoOptions =>
      sectigo.options.parse({
        baseUrl: `${fake().url}/api/`,
        oauthUrl: `${fake().url}/token`,
        organizationId: 8,
        profileId: 21,
        ...signIn,
        ...changed,
      });
  const byPassword = optionsWith({ login, password, customerUri });
  const byToken = optionsWith({ clientId, clientSecret });
  const bench = (changed: Partial<Bench>): Bench => ({
    plugin: sectigo,
    options: byPassword,
    standIn: fake,
    ca,
    names: ['www.example.com', 'example.com'],
    submits: /^POST .*\/enroll$/,
    reads: /^GET .*\/collect\//,
    ordered: () => fake().orders.length,
    settle: () => fake().issueAll(),
    wrong: { password: 'Wrong-Passwort-1' },
    secrets: [password, clientSecret],
    ...changed,
  });
  const ssl = bench({});
  const smime = bench({
    options: (changed) => byPassword({ product: 'smime', ...changed }),
    names: ['Alice Example', 'alice@example.com'],
    findsIssuedOnly: true,
  });
  return { byPassword, byToken, bench, ssl, smime };
}
