import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeSectigo, startSectigo } from '../../test/fakes/sectigo.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { sectigoBenches } from '../../test/support/sectigo-bench.js';
import { networkContext, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { organizations, persons, profiles } from './customers.js';

let ca: SigningCa;
let fake: FakeSectigo;
beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  fake = await startSectigo(ca);
});
afterEach(() => fake.stop());

const { byPassword, byToken } = sectigoBenches(
  () => fake,
  () => ca,
);
const alice = {
  email: 'alice@example.com',
  firstName: 'Alice',
  lastName: 'Example',
  organizationId: '8',
  validation: 'high' as const,
};

describe('customers of Sectigo', () => {
  it('lists organizations and their departments with either sign-in', async () => {
    const expected = [
      { id: '7', name: 'Example' },
      { id: '8', name: 'Web', parentId: '7' },
    ];
    for (const options of [byPassword(), byToken()])
      expect(await organizations.list(options, networkContext())).toEqual(expected);
  });

  it('lists the profiles of either product, part after part', async () => {
    expect(await profiles.list({ count: 2 }, byToken(), networkContext())).toEqual({
      items: [
        { id: '21', name: 'OV SSL' },
        { id: '22', name: 'Long SSL' },
      ],
      total: 3,
      next: '2',
    });
    const rest = await profiles.list({ count: 2, after: '2' }, byToken({ product: 'smime' }), networkContext());
    expect(rest).toEqual({ items: [{ id: '23', name: 'RSA SSL' }], total: 3 });
    expect(fake.seen.filter((line) => line.includes('types'))).toEqual([
      'GET /api/ssl/v1/types',
      'GET /api/smime/v1/types',
    ]);
  });

  it('creates a person, whose id is in the header, and finds it by address, name and organization', async () => {
    const { id } = await persons.create(alice, byToken(), networkContext());
    fake.persons.push({ ...alice, organizationId: 7, email: 'bob@example.com', firstName: 'Bob', id: 9 });
    for (const asked of [{ email: alice.email }, { name: 'Alice' }, { organizationId: '8' }])
      expect(await persons.list({ ...asked, count: 20 }, byToken(), networkContext())).toEqual({
        items: [{ id, ...alice, secondaryEmails: [] }],
      });
  });

  it('lists all persons, part after part', async () => {
    for (let at = 0; at < 5; at += 1)
      fake.persons.push({ id: at, firstName: 'P', lastName: String(at), email: `p${at}@example.com` });
    const seen: string[] = [];
    for (let after: string | undefined = '0'; after !== undefined;) {
      const part: Awaited<ReturnType<typeof persons.list>> = await persons.list(
        { after, count: 2 },
        byPassword(),
        networkContext(),
      );
      seen.push(...part.items.map(({ id }) => id));
      after = part.next;
    }
    expect(seen).toEqual(['0', '1', '2', '3', '4']);
  });

  it.each([
    ['an address that is known', {}, 'refused', /exists already/],
    ['an organization of others', { organizationId: '99' }, 'misconfigured', /Organization not found/],
    ['an organization by its name', { organizationId: 'Example' }, 'refused', /by numbers/],
  ])('refuses a person with %s', async (_, changed, fault, words) => {
    await persons.create(alice, byPassword(), networkContext());
    const error = await failureOf(persons.create({ ...alice, ...changed }, byPassword(), networkContext()));
    expect([error.fault, error.detail]).toEqual([fault, expect.stringMatching(words)]);
  });
});
