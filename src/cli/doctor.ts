import { explain } from '../explain.js';
import type { Config } from '../platform/config.js';
import { missingMigrations } from '../platform/db/data-source.js';
import { Database } from '../platform/db/database.js';
import { demandCommonKey } from '../platform/secrets/key-holders.js';
import { openKeyRing } from '../platform/secrets/open-key-ring.js';
import { lookAtClock, lookAtFolder, lookAtQueue } from './checkups.js';
import { type Finding, fault, ok } from './finding.js';
import {
  lookAtJobs,
  lookAtKeys,
  lookAtMail,
  lookAtPeriodicWork,
  lookAtPlugins,
  lookAtSources,
  lookAtStory,
} from './service-checkups.js';
import { withDatabase, withServices } from './session.js';
import type { Shell } from './shell.js';
import { counted, table } from './table.js';

interface Options {
  sendTo?: string;
  clockUrl?: string;
}

export async function doctor(shell: Shell, options: Options): Promise<void> {
  const findings = await look(shell, options);
  const faults = findings.filter(({ state }) => state === 'fault');
  if (faults.length > 0) shell.fail();
  const rows = findings.map(({ part, state, text }) => [state === 'fault' ? 'FAULT' : state, part, text]);
  const advice = new Set(faults.map(({ part, advice: words }) => `${part}: ${words}`));
  await shell.answer(
    { sound: faults.length === 0, findings },
    [
      table(['', 'part', 'found'], rows),
      '',
      ...(faults.length === 0 ? ['No fault found.'] : [`${counted(faults.length, 'fault')}. What to do:`, ...advice]),
    ].join('\n'),
  );
}

/** From the ground up: what stands on a part that is broken is not looked at. */
async function look(shell: Shell, options: Options): Promise<Finding[]> {
  const config = await attempt(
    'settings',
    'Correct them in the environment of the program; docs/settings.md lists them.',
    async () => shell.config(),
  );
  if (!config.done) return [config.finding];
  const ground = [
    ok('settings', 'usable'),
    ...(await lookAtFolder(config.value)),
    ...(await lookAtQueue(config.value)),
  ];
  const advice =
    config.value.databaseUrl === undefined
      ? 'See the reason; DATA_DIR must be that of the program, and this command run as the same user.'
      : 'Start the server, or correct DATABASE_URL.';
  const above = await attempt('database', advice, () => lookInside(shell, config.value, options));
  return [...ground, ...(above.done ? above.value : [above.finding])];
}

function lookInside(shell: Shell, config: Config, options: Options): Promise<Finding[]> {
  return withDatabase(shell, config, async (open) => {
    const db = new Database(open.source);
    const found = [ok('database', 'reachable'), ...(await lookAtClock(db, options.clockUrl))];
    const missing = await missingMigrations(open.source);
    if (missing.length > 0)
      return [
        ...found,
        fault(
          'tables',
          `${counted(missing.length, 'migration')} missing`,
          'Start the program of this version, or run: perennial init',
        ),
      ];
    const ring = await attempt(
      'key ring',
      'Give this command the key ring of the program; it is in DATA_DIR or ENCRYPTION_KEYS.',
      () => openKeyRing(config, db, demandCommonKey),
    );
    if (!ring.done) return [...found, ok('tables', 'up to date'), ring.finding];
    const services = await attempt('services', 'See the reason; if it is none of yours, report it.', async () => {
      const inside: Finding[] = [];
      await withServices(shell, config, open, ring.value, async (session) => {
        for (const part of [
          lookAtKeys,
          lookAtMail,
          lookAtPlugins,
          lookAtPeriodicWork,
          lookAtJobs,
          lookAtSources,
          lookAtStory,
        ])
          inside.push(...(await part(session, options)));
      });
      return inside;
    });
    return [...found, ok('tables', 'up to date'), ...(services.done ? services.value : [services.finding])];
  });
}

type Attempt<T> = { done: true; value: T } | { done: false; finding: Finding };

async function attempt<T>(part: string, advice: string, work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { done: true, value: await work() };
  } catch (error) {
    return { done: false, finding: fault(part, explain(error), advice) };
  }
}
