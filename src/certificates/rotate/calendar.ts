import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { invalid } from '../../platform/http/problem.js';
import { CalendarRepository, type DayCount } from './calendar.repository.js';
import type { CalendarQuery, CalendarView } from './calendar.schema.js';

const dayMs = 86_400_000;
const defaultDays = 90;
const mostDays = 731;
/** The last day that is written with four digits for the year. */
const lastDayMs = Date.parse('9999-12-31');
/** A day with at least so many renewals, and so many times those of the average day, is a spike. */
const spike = { least: 10, times: 3 };

/** Counts the renewals that are planned for each day, and the certificates that end without one. */
@Injectable()
export class Calendar {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: CalendarRepository,
  ) {}

  /** Throws Problem `invalid-request` for a time that ends before it begins, or lasts more than two years. */
  async of({ from: first, to: last, authority }: CalendarQuery): Promise<CalendarView> {
    const now = this.clock.now();
    const from = first ?? dayOf(now);
    const lastMs = last ? Date.parse(last) : Date.parse(from) + (defaultDays - 1) * dayMs;
    const days = Math.round((lastMs - Date.parse(from)) / dayMs) + 1;
    if (days < 1 || days > mostDays || lastMs > lastDayMs)
      throw invalid('to', `Give a day from \`from\` to ${mostDays - 1} days later, in the year 9999 at the latest.`);
    const to = dayOf(new Date(lastMs));
    const span = { from: new Date(from), to: new Date(lastMs + dayMs), authorityId: authority ?? null };
    return this.db.search(async (tx) => {
      const renewals = await this.repository.renewals(tx, span, now);
      const ends = await this.repository.ends(tx, span);
      const names = await this.repository.namesOf(
        tx,
        [...renewals, ...ends].flatMap((row) => row.authorityId ?? []),
      );
      const listed = daysOf(renewals, ends, names);
      const waiting = await this.repository.waiting(tx, span.authorityId);
      return { from, to, days: listed, spikes: spikesOf(listed, days), waiting };
    });
  }
}

type Day = CalendarView['days'][number];

/** The days on which something happens, in order. */
function daysOf(renewals: readonly DayCount[], ends: readonly DayCount[], names: ReadonlyMap<number, string>): Day[] {
  const days = new Map<string, Day>();
  const note = ({ day, authorityId, count }: DayCount, field: 'renewals' | 'endsWithoutPlan'): void => {
    const found = days.get(day) ?? { date: day, renewals: 0, endsWithoutPlan: 0, authorities: [] };
    days.set(day, found);
    found[field] += count;
    if (authorityId === null) return;
    let authority = found.authorities.find(({ id }) => id === authorityId);
    if (!authority) {
      authority = { id: authorityId, name: names.get(authorityId) ?? '', renewals: 0, endsWithoutPlan: 0 };
      found.authorities.push(authority);
    }
    authority[field] += count;
  };
  for (const row of renewals) note(row, 'renewals');
  for (const row of ends) note(row, 'endsWithoutPlan');
  return [...days.values()].sort((a, b) => (a.date < b.date ? -1 : 1));
}

/** `length`: of the calendar in days, also those on which nothing happens. */
export function spikesOf(days: readonly Day[], length: number): CalendarView['spikes'] {
  const average = days.reduce((sum, { renewals }) => sum + renewals, 0) / length;
  return days
    .filter(({ renewals }) => renewals >= spike.least && renewals >= spike.times * average)
    .map(({ date, renewals, authorities }) => {
      const [most] = authorities.toSorted((a, b) => b.renewals - a.renewals);
      const whose = most ? `, ${most.renewals} of them of ${most.name}` : '';
      const text = `${date}: ${renewals} renewals, ${Math.round(renewals / average)} times the average day${whose}.`;
      return { date, renewals, text };
    });
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}
