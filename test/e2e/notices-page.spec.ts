import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { consoleCommands, document, expectFollowed, sectionOf } from '../support/page-commands.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

/** What happens before each part of the example is followed, beginning with its heading. */
const meanwhile: Record<string, (program: TestProgram) => Promise<void>> = {
  // The certificates expire at this time of day too.
  'Who is told of what': async (program) => toClock(program, 1, '13:00'),
  'Thirty days before they expire': async (program) => {
    toClock(program, 61, '12:00');
    await waiting(program, 'digest');
  },
  'The next morning': async (program) => {
    toClock(program, 1, '08:30');
    await waiting(program, 'acknowledged');
  },
  'Four days later': async (program) => {
    toClock(program, 3, '12:00');
    await eventually(async () => (await expiring(program)).some(({ hold }) => hold === 'digest'));
    toClock(program, 1, '12:00');
    await mailed(program, 'payments@example.com', 1);
  },
  'Five days after that mail': async (program) => {
    toClock(program, 5, '12:30');
    await mailed(program, 'oncall@example.com', 1);
  },
  'The day before they expire': async (program) => {
    toClock(program, 18, '12:00');
    await eventually(async () => (await expiring(program)).length === 0);
    await mailed(program, 'payments@example.com', 2);
  },
};

/** So many days later, at this time of day in UTC. */
function toClock({ clock }: TestProgram, days: number, time: string): void {
  const day = new Date(clock.now().getTime() + days * dayMs).toISOString().slice(0, 10);
  clock.advance(Date.parse(`${day}T${time}:00Z`) - clock.now().getTime());
}

async function expiring(program: TestProgram): Promise<Json[]> {
  return (await program.ok('GET', '/notices?state=due&event=certificate.expiring')).items;
}

async function waiting(program: TestProgram, hold: string): Promise<void> {
  await eventually(async () => {
    const items = await expiring(program);
    return items.length === 2 && items.every((one) => one.hold === hold);
  });
}

async function mailed(program: TestProgram, address: string, count: number): Promise<void> {
  const isTo = ({ to }: Json): boolean => to.includes(address);
  await eventually(async () => (await program.ok('GET', '/mails?count=200')).items.filter(isTo).length >= count);
}

let program: TestProgram;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'notices-page-'));
  program = await startProgram();
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true, force: true });
});

it(
  'docs/notices.md has an example that works as written, on the days that it names',
  { timeout: 300_000 },
  async () => {
    const [, ...parts] = sectionOf(document('docs/notices.md'), 'A worked example').split(/^### /m);
    const headings = parts.map((part) => part.slice(0, part.indexOf('\n')));
    expect(headings).toEqual(Object.keys(meanwhile));
    for (const [at, part] of parts.entries()) {
      await meanwhile[headings[at] ?? '']?.(program);
      await expectFollowed(consoleCommands(part), { program, folder });
    }
  },
);
