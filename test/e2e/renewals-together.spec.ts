import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const count = 24;
const odd = 'host-7.example.com';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
  await program.ok('POST', '/authorities', {
    name: 'ca',
    owner: 'pki@example.com',
    commonName: 'CA',
    validityYears: 20,
  });
  await program.ok('POST', '/policies', { name: 'ten days', days: 10, spreadHours: 0 });
});
afterAll(() => program.stop());

const rows = <T>(sql: string, values: unknown[] = []): Promise<T[]> => program.database.source.query(sql, values);
const successors = (): Promise<{ renewsId: number; transaction: string }[]> =>
  rows(
    `select renews_id as "renewsId", xmin::text as transaction from certificate
     where renews_id is not null and state = 'issued' order by 1`,
  );

/** The database refuses the successor of one certificate, which nobody can know before it is stored. */
async function refuseOne(): Promise<void> {
  await rows(
    `create function refuse_one() returns trigger language plpgsql as $$ begin
       if new.common_name = '${odd}' and new.renews_id is not null then raise exception 'refused'; end if;
       return new;
     end $$`,
  );
  await rows('create trigger refuse_one before insert on certificate for each row execute function refuse_one()');
}

describe('renewals that are due at the same time', () => {
  it('share transactions; one that cannot be stored fails alone, and is renewed once it can be', async () => {
    const made: Json[] = [];
    for (let n = 0; n < count; n += 1)
      made.push(
        await program.ok('POST', '/certificates', {
          owner: 'joe@example.com',
          commonName: `host-${n}.example.com`,
          authority: { name: 'ca' },
          validityDays: 90,
          rotation: true,
          rotationPolicy: { name: 'ten days' },
        }),
      );
    await refuseOne();
    program.clock.advance(81 * dayMs);

    const ids = made.map(({ id }) => id as number);
    const oddId = ids[7] as number;
    await eventually(async () => (await successors()).length === count - 1);
    await eventually(async () => {
      const [one] = await rows<{ fault: string | null }>(
        'select renewal_fault as fault from certificate where id = $1',
        [oddId],
      );
      return one?.fault === 'internal';
    });
    const first = await successors();
    expect(first.map(({ renewsId }) => renewsId)).toEqual(ids.filter((id) => id !== oddId));
    // Each transaction has an id of its own.
    expect(new Set(first.map(({ transaction }) => transaction)).size).toBeLessThan(count - 1);

    await rows('drop trigger refuse_one on certificate');
    program.clock.advance(dayMs);
    await eventually(async () => (await successors()).length === count);
    const told = await rows<{ count: number }>(
      `select count(*)::int as count from notice n join certificate c on c.id = n.certificate_id
       where n.event = 'certificate.no-destination' and c.renews_id = any($1) group by c.id`,
      [ids],
    );
    expect(told).toEqual(ids.map(() => ({ count: 1 })));
    const states = await rows<{ state: string }>('select distinct state from certificate where id = any($1)', [ids]);
    expect(states).toEqual([{ state: 'superseded' }]);
    const events = await rows<{ count: number }>(
      `select count(*)::int as count from audit_event
       where action = 'certificate.superseded' and target_id = any($1::text[]) group by target_id`,
      [ids.map(String)],
    );
    expect(events).toEqual(ids.map(() => ({ count: 1 })));
  });
});
