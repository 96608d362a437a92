import { z } from 'zod';
import { queryInt } from '../../platform/http/query.js';

const counts = { renewals: z.int(), endsWithoutPlan: z.int() };

/** GET /rotation/calendar. Days are those of UTC. */
export const CalendarQuery = z.strictObject({
  from: z.iso.date().optional().meta({ description: 'The first day, e.g. 2026-03-01. Default: today.' }),
  to: z.iso.date().optional().meta({ description: 'The last day. Default: 89 days after the first one.' }),
  authority: queryInt(1, 2_147_483_647).optional().meta({ description: 'Only the certificates of this authority.' }),
});
export type CalendarQuery = z.output<typeof CalendarQuery>;

export const CalendarView = z
  .object({
    from: z.iso.date(),
    to: z.iso.date(),
    days: z
      .array(
        z.object({
          date: z.iso.date(),
          ...counts,
          authorities: z.array(z.object({ id: z.int(), name: z.string(), ...counts })),
        }),
      )
      .meta({ description: 'The days on which something happens, in order.' }),
    spikes: z
      .array(z.object({ date: z.iso.date(), renewals: z.int(), text: z.string() }))
      .meta({ description: 'Days with at least ten renewals and three times those of the average day.' }),
    waiting: z.int().meta({ description: 'Renewals that are due and wait for a limit or a pause; in no day.' }),
  })
  .meta({ id: 'RotationCalendar' });
export type CalendarView = z.output<typeof CalendarView>;
