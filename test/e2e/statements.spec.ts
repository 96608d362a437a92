import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { CertificateAccess } from '../../src/certificates/access.js';
import { CertificateRepository } from '../../src/certificates/certificate.repository.js';
import { Places } from '../../src/certificates/deploy/places.js';
import { Successors } from '../../src/certificates/successors.js';
import { Database, type Tx } from '../../src/platform/db/database.js';
import { systemActor } from '../../src/platform/http/actor.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';

let program: TestProgram;
let heir: Json;
/** Ids of certificates that are in force, in order. */
let ids: number[];
const destinationIds: number[] = [];

beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  const issue = (n: number): Promise<Json> =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: `many-${n}.example.com`,
      authority: { name: 'root' },
      validityDays: 90,
      rotation: true,
    });
  heir = await issue(0);
  ids = (await Promise.all(Array.from({ length: 12 }, (_, n) => issue(n + 1))))
    .map(({ id }) => id)
    .sort((a, b) => a - b);
  for (let n = 0; n < 12; n += 1)
    destinationIds.push(
      (
        await program.ok('POST', '/destinations', {
          label: `web-${n}`,
          plugin: { id: 'filesystem', options: { path: `/nonexistent/${n}` } },
        })
      ).id,
    );
});
afterAll(() => program.stop());

const part = <T>(service: new (...args: never[]) => T): T => program.perennial.app.get(service, { strict: false });

/** How many statements `work` sends; what it writes is taken back. */
async function statements(work: (tx: Tx) => Promise<unknown>): Promise<number> {
  const undo = new Error('undo');
  let count = 0;
  await part(Database)
    .write(async (tx) => {
      const spy = vi.spyOn(tx.queryRunner as NonNullable<Tx['queryRunner']>, 'query');
      await work(tx);
      count = spy.mock.calls.length;
      spy.mockRestore();
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  return count;
}

it.each<[string, (tx: Tx, many: readonly number[]) => Promise<unknown>]>([
  [
    'replacing certificates',
    async (tx, many) => {
      const successor = await part(CertificateRepository).lock(tx, heir.id);
      await part(Successors).relink(tx, successor, many);
      const silenced = await part(CertificateRepository).getMany(tx, many);
      expect(silenced.every(({ notify, renewalReason }) => !notify && renewalReason === 'replaced')).toBe(true);
    },
  ],
  [
    'checking the right to change certificates',
    (tx, many) => part(CertificateAccess).demandWriteById(tx, systemActor('test'), ...many),
  ],
  [
    'checking that destinations have different locations',
    (tx, many) => part(Places).demandApart(tx, heir, destinationIds.slice(0, many.length)),
  ],
])('%s takes the same number of statements for few and for many rows', async (_, work) => {
  const few = await statements((tx) => work(tx, ids.slice(0, 2)));
  expect(few).toBeGreaterThan(0);
  expect(await statements((tx) => work(tx, ids))).toBe(few);
});
