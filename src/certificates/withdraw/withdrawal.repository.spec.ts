import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { certificateHold, removeFromCrl, type Withdrawal } from './withdrawal.entity.js';
import { WithdrawalRepository } from './withdrawal.repository.js';

const reasons = { hold: certificateHold, release: removeFromCrl, revoke: 1 } as const;
type Wish = keyof typeof reasons;
type State = Withdrawal['state'];

const at = new Date('2026-03-01T10:00:00Z');
const rows = new WithdrawalRepository();
let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
  // The queries look at withdrawals alone.
  for (const one of ['withdrawal_certificate', 'withdrawal_authority'])
    await test.source.query(`alter table withdrawal drop constraint ${one}`);
});
afterAll(() => test.drop());

async function add(serialHex: string, wish: Wish, state: State): Promise<Withdrawal> {
  const { db } = test;
  const id = await rows.add(
    db.single,
    {
      certificateId: 1,
      authorityId: 1,
      kind: 'revoke',
      chainPem: 'chain',
      serialHex,
      reason: reasons[wish],
      giveUpAt: at,
      createdAt: at,
    },
    at,
  );
  if (state !== 'due')
    await test.source.query('update withdrawal set state = $2, next_attempt_at = null where id = $1', [id, state]);
  const added = await rows.find(db.single, id);
  if (!added) throw new Error('It was not added.');
  return added;
}

const wishes = ['hold', 'release', 'revoke'] as const;
const states = ['due', 'done', 'given-up'] as const;
const laterOnes = wishes.flatMap((wish) => states.map((state) => ({ wish, state })));

describe('the last withdrawal after a hold or a release', () => {
  const table = (['hold', 'release'] as const).flatMap((first) =>
    laterOnes.map(({ wish, state }) => {
      const counts = state !== 'given-up' || (first === 'release' && wish === 'revoke');
      return { first, wish, state, counts };
    }),
  );

  it.each(table)('is a $wish that is $state, after a $first: $counts', async ({ first, wish, state, counts }) => {
    const serialHex = `${first}-${wish}-${state}`;
    const earlier = await add(serialHex, first, 'due');
    const later = await add(serialHex, wish, state);
    expect((await rows.findLater(test.db.single, earlier))?.id).toBe(counts ? later.id : undefined);
    expect(await rows.findLater(test.db.single, later)).toBeNull();
  });

  it('is one of the same serial number, and the last of several that were not given up', async () => {
    const earlier = await add('several', 'hold', 'due');
    await add('several', 'release', 'done');
    const counting = await add('several', 'hold', 'due');
    await add('several', 'release', 'given-up');
    await add('another', 'release', 'due');
    expect((await rows.findLater(test.db.single, earlier))?.id).toBe(counting.id);
  });
});

it.each(laterOnes)('a serial number with a $wish that is $state', async ({ wish, state }) => {
  const serialHex = `only-${wish}-${state}`;
  await add(serialHex, wish, state);
  expect(await rows.revokes(test.db.single, 1, serialHex)).toBe(wish === 'revoke' && state !== 'given-up');
});
