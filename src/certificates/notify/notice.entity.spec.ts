import { expect, it } from 'vitest';
import { Notice, type NoticeHold } from './notice.entity.js';

const start = new Date('2026-03-02T08:00:00Z');
const after = (days: number): Date => new Date(start.getTime() + days * 86_400_000);

function refused(notice: Notice, now: Date): void {
  notice.fail({ fault: 'refused', detail: 'No.' }, { now, again: now });
}

function dueNotice(): Notice {
  return Object.assign(new Notice(), { state: 'due', attempts: 0, told: [], refusedSince: null });
}

it.each<NoticeHold>(['quiet-hours', 'digest'])('drops a notice after two days of refusals with %s', (hold) => {
  const notice = dueNotice();
  for (const days of [0, 0.1, 1, 1.1]) {
    refused(notice, after(days));
    notice.wait({ until: after(days + 0.4), hold });
  }
  refused(notice, after(2));
  expect(notice.state).toBe('dropped');
});

it.each<NoticeHold>(['paused', 'acknowledged'])(
  'does not count the time in which a notice waits (%s) as refusal',
  (hold) => {
    const notice = dueNotice();
    for (const days of [0, 0.1, 0.2, 0.3]) refused(notice, after(days));
    notice.wait({ until: after(3), hold });
    refused(notice, after(3));
    expect(notice).toMatchObject({ state: 'due', attempts: 5, refusedSince: after(3) });
  },
);
