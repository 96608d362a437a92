import { setTimeout as sleep } from 'node:timers/promises';
import { twins } from './invariants.js';
import type { Population } from './population.js';
import type { Stage } from './stage.js';

const pauseMs = 500;
/** Longer than the program takes to notice that its clock was set. */
const afterStepMs = 2_500;
const longestStepS = 2 * 3_600;

/**
 * When each piece of work is due that is still to be done; null when it waits for another one. Jobs that are planned
 * for later are not such work.
 */
const openWork = `with open (at) as (
  select case when leased_by is null then run_at else now() end from outbox
    where state = 'due' and job <> 'certificate.issue' and (run_at <= now() or attempts > 0 or leased_by is not null)
  union all
  select y.next_attempt_at from delivery y join certificate c on c.id = y.certificate_id
    where y.state in ('planned', 'failing', 'removing', 'leaving') and c.state not in ('requested', 'pending')
  union all
  select next_attempt_at from notice where state = 'due'
  union all
  select greatest(next_renewal_at, (select max(finished_at) + interval '10 minutes' from outbox o
      where o.job = 'certificate.rotate' and o.state = 'dead' and o.data->>'certificateId' = certificate.id::text))
    from certificate where state in ('issued', 'revoked') and (next_renewal_at <= now() or renewal_fault is not null)
      and next_renewal_at is not null
  union all
  select c.next_attempt_at from certificate c join authority a on a.id = c.authority_id
    where c.state in ('requested', 'pending') and a.name <> 'waiting'
  union all
  select next_attempt_at from withdrawal where state = 'due')
select count(*)::int as open, coalesce(extract(epoch from min(at) - now()), 0)::float8 as "waitsS" from open`;

/**
 * Lets the program work until nothing is left, something is beyond repair, or `patienceMs` are over. While everything
 * waits, the clock goes on to what is next. What only a person can decide, a person decides.
 */
export async function settle(stage: Stage, population: Population, patienceMs: number): Promise<void> {
  const { database, time } = stage;
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(pauseMs)) {
    if ((await twins(stage)).length > 0) return;
    await population.decide();
    const [{ open, waitsS } = { open: 0, waitsS: 0 }] = await database.query<{ open: number; waitsS: number }>(
      openWork,
    );
    if (open === 0) return;
    if (waitsS <= 1) continue;
    time.move(Math.min(waitsS, longestStepS));
    await sleep(afterStepMs);
  }
}
