import { generateKeyPairSync } from 'node:crypto';
import { buildCsr } from '../../src/pki/csr.js';
import { forEachAtOnce } from './parallel.js';
import type { Stage } from './stage.js';

/** How a certificate is requested, and how many of a hundred are. */
const kinds = [
  { kind: 'local', share: 55 },
  { kind: 'elsewhere', share: 20 },
  { kind: 'undelivered', share: 10 },
  { kind: 'unrotated', share: 10 },
  { kind: 'waiting', share: 5 },
] as const;
type Kind = (typeof kinds)[number]['kind'];

const places = ['vault-0', 'vault-1', 'folder'] as const;

const dayS = 86_400;

/** The authorities, the policy and the destinations of the run. */
export async function furnish(stage: Stage): Promise<void> {
  const owner = 'pki@example.com';
  await stage.ask('POST', '/authorities', { name: 'local', owner, commonName: 'Local Root', validityYears: 20 });
  for (const [name, behaviour] of [
    ['elsewhere', 'pending'],
    ['waiting', 'never'],
  ]) {
    const plugin = { id: 'scripted-ca', options: { ca: `CA ${name}`, behaviour } };
    await stage.ask('POST', '/authorities', { name, owner, plugin });
  }
  // No certificate may begin before its CA does, also when the clock is then moved back.
  stage.time.move(dayS);
  await stage.ask('POST', '/policies', { name: 'twelve days before', days: 12 });
  for (const [at, vault] of stage.vaults.entries()) {
    const options = { url: await vault.call('url'), token: 's.TokenOfTheKvEngine', mount: 'kv1' };
    await stage.ask('POST', '/destinations', { label: `vault-${at}`, plugin: { id: 'vault-kv', options } });
  }
  const folder = { id: 'filesystem', options: { path: stage.deployed } };
  await stage.ask('POST', '/destinations', { label: 'folder', plugin: folder });
}

/** The certificates that are requested in the run: each by one request, which is repeated until it is answered. */
export class Population {
  /** Ids by the key of the request. */
  readonly answered = new Map<string, number>();
  private readonly open = new Map<string, () => Promise<object>>();
  private next = 0;
  private asking: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly stage: Stage,
    private readonly random: () => number,
  ) {}

  /** Decides on more requests, which `ask` makes. */
  plan(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const number = (this.next += 1);
      const kind = this.kind();
      // More than twice the time before their end at which they renew.
      const validityDays = 26 + Math.floor(this.random() * 12);
      const chosen = places.filter(() => this.random() < 0.6);
      const withCsr = this.random() < 0.1 && kind === 'unrotated';
      this.open.set(`request-${number}`, async () => ({
        // One owner each, so that every mail is about one line of certificates.
        owner: `owner-${number}@example.com`,
        ...(withCsr ? { csr: await csrFor(hostOf(number)) } : { commonName: hostOf(number) }),
        authority: { name: kind === 'elsewhere' || kind === 'waiting' ? kind : 'local' },
        validityDays,
        rotation: kind !== 'unrotated',
        rotationPolicy: { name: 'twelve days before' },
        destinations: kind === 'undelivered' || withCsr ? [] : chosen.map((label) => ({ label })),
      }));
    }
  }

  /** Makes all requests that are not answered yet, and resolves when all are. Throws when one is refused. */
  ask(): Promise<unknown> {
    const wave = async (): Promise<void> => {
      await forEachAtOnce([...this.open], async ([key, bodyOf]) => {
        const { id } = await this.stage.ask('POST', '/certificates', await bodyOf(), key);
        this.answered.set(key, Number(id));
        this.open.delete(key);
      });
    };
    this.asking = this.asking.then(wave);
    return this.asking;
  }

  /** A user renews, revokes or cancels some certificate. Returns what was done. */
  async meddle(): Promise<string> {
    const cancels = this.random() < 0.15;
    const [row] = await this.stage.database.query<{ id: number }>(
      `select id from certificate where case when $2 then state = 'pending' else state = 'issued' and rotation end
       order by (id * $1::int) % 7919 limit 1`,
      [1 + Math.floor(this.random() * 7_000), cancels],
    );
    const revokes = cancels || this.random() < 0.3;
    const replace = this.random() < 0.8;
    const path = `/certificates/${row?.id ?? 0}`;
    if (revokes) await this.stage.call('PUT', `${path}/revoke`, { crlReason: 'superseded', replace });
    else await this.stage.call('POST', `${path}/reissue`, {});
    return `a user ${cancels ? 'cancels a request' : revokes ? 'revokes' : 'renews'}`;
  }

  /** A user rejects every answer of a CA that is in dispute. */
  async decide(): Promise<void> {
    const rows = await this.stage.database.query<{ id: number }>(
      `select c.id from certificate c join certificate_order o on o.certificate_id = c.id
       where c.state in ('requested', 'pending') and o.disputed_serial_hex is not null`,
    );
    for (const { id } of rows) await this.stage.call('POST', `/pending_certificates/${id}/reject`, {});
  }

  /** A user orders a successor from the CA elsewhere. */
  async renewElsewhere(): Promise<void> {
    const [row] = await this.stage.database.query<{ id: number }>(
      `select c.id from certificate c join authority a on a.id = c.authority_id
       where a.name = 'elsewhere' and c.state = 'issued' and c.rotation
         and not exists (select from certificate n where n.renews_id = c.id) order by c.id limit 1`,
    );
    if (row) await this.stage.call('POST', `/certificates/${row.id}/reissue`, {});
  }

  private kind(): Kind {
    let left = this.random() * 100;
    for (const { kind, share } of kinds) if ((left -= share) < 0) return kind;
    return 'local';
  }
}

function hostOf(number: number): string {
  return `host-${number}.example.com`;
}

async function csrFor(commonName: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return buildCsr({ subject: { commonName }, subjectAltNames: [{ type: 'dns', value: commonName }] }, privateKey);
}
