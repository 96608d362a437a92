import { explain } from '../explain.js';
import type { Config } from '../platform/config.js';
import { missingMigrations } from '../platform/db/data-source.js';
import { Database } from '../platform/db/database.js';
import { demandCommonKey } from '../platform/secrets/key-holders.js';
import { openKeyRing } from '../platform/secrets/open-key-ring.js';
import { checkClock, checkFolder, checkQueue } from './host-checks.js';
import { type CheckResult, fault, ok } from './check-result.js';
import {
  checkJobs,
  checkKeys,
  checkMail,
  checkPeriodicWork,
  checkPlugins,
  checkSources,
  checkRenewalsAndDeliveries,
} from './service-checks.js';
import { withDatabase, withServices } from './session.js';
import type { Shell } from './shell.js';
import { counted, table } from './table.js';

interface Options {
  sendTo?: string;
  clockUrl?: string;
}

export async function doctor(shell: Shell, options: Options): Promise<void> {
  const findings = await checkAll(shell, options);
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

/** Checks parts in order of dependency; a part whose foundation has a fault is not checked. */
async function checkAll(shell: Shell, options: Options): Promise<CheckResult[]> {
  const config = await attempt(
    'settings',
    'Correct the environment of the program; docs/settings.md lists all settings.',
    async () => shell.config(),
  );
  if (!config.done) return [config.finding];
  const ground = [ok('settings', 'usable'), ...(await checkFolder(config.value)), ...(await checkQueue(config.value))];
  const advice =
    config.value.databaseUrl === undefined
      ? 'See the reason. Use the DATA_DIR and the system user of the program.'
      : 'Start the server, or correct DATABASE_URL.';
  const above = await attempt('database', advice, () => checkDatabase(shell, config.value, options));
  return [...ground, ...(above.done ? above.value : [above.finding])];
}

function checkDatabase(shell: Shell, config: Config, options: Options): Promise<CheckResult[]> {
  return withDatabase(shell, config, async (open) => {
    const db = new Database(open.source);
    const found = [ok('database', 'reachable'), ...(await checkClock(db, options.clockUrl))];
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
      'Give this command the key ring of the program: DATA_DIR or ENCRYPTION_KEYS.',
      () => openKeyRing(config, db, demandCommonKey),
    );
    if (!ring.done) return [...found, ok('tables', 'up to date'), ring.finding];
    const services = await attempt(
      'services',
      'See the reason. If it is not in your setup, report it as a bug.',
      async () => {
        const inside: CheckResult[] = [];
        await withServices(shell, config, open, ring.value, async (session) => {
          for (const part of [
            checkKeys,
            checkMail,
            checkPlugins,
            checkPeriodicWork,
            checkJobs,
            checkSources,
            checkRenewalsAndDeliveries,
          ])
            inside.push(...(await part(session, options)));
        });
        return inside;
      },
    );
    return [...found, ok('tables', 'up to date'), ...(services.done ? services.value : [services.finding])];
  });
}

type Attempt<T> = { done: true; value: T } | { done: false; finding: CheckResult };

async function attempt<T>(part: string, advice: string, work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { done: true, value: await work() };
  } catch (error) {
    return { done: false, finding: fault(part, explain(error), advice) };
  }
}
