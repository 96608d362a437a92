import { access, constants, stat, statfs } from 'node:fs/promises';
import { Clock } from '../platform/clock.js';
import type { Config } from '../platform/config.js';
import type { Database } from '../platform/db/database.js';
import { redisFault } from '../jobs/redis-check.js';
import { type CheckResult, fault, ok, skipped, faultsOrOk } from './check-result.js';

const leastFree = 1024 ** 3;
const mostDriftMs = 5000;

/** Checks the permissions and the free space of DATA_DIR. */
export async function checkFolder({ dataDir, databaseUrl, encryptionKeys }: Config): Promise<CheckResult[]> {
  const info = await stat(dataDir).catch(() => null);
  const needed = databaseUrl === undefined || !encryptionKeys;
  if (info === null)
    return [
      needed
        ? fault('folder', `${dataDir} does not exist`, 'Set DATA_DIR as for the program, or run: perennial init')
        : skipped('folder', `${dataDir} is not needed`),
    ];
  const faults: CheckResult[] = [];
  if ((info.mode & 0o077) !== 0)
    faults.push(
      fault(
        'folder',
        `${dataDir} is open to other users (mode ${(info.mode & 0o777).toString(8)})`,
        `Run: chmod 700 ${dataDir}`,
      ),
    );
  if (
    !(await access(dataDir, constants.W_OK).then(
      () => true,
      () => false,
    ))
  )
    faults.push(
      fault('folder', `${dataDir} cannot be written by this user`, 'Run as the user of the program, or chown it.'),
    );
  const { bavail, bsize } = await statfs(dataDir);
  const free = bavail * bsize;
  if (free < leastFree)
    faults.push(
      fault('folder', `${dataDir} has ${mebibytes(free)} left`, 'Free some space, before the database stops.'),
    );
  return faultsOrOk('folder', faults, `${dataDir}, ${mebibytes(free)} left`);
}

/** Checks the queue: in the database, or Redis. */
export async function checkQueue({ redisUrl }: Config): Promise<CheckResult[]> {
  if (redisUrl === undefined) return [ok('queue', 'in the database')];
  const reason = await redisFault(redisUrl);
  return [
    reason === null
      ? ok('queue', 'Redis answers')
      : fault(
          'queue',
          `Redis does not answer: ${reason}`,
          'Start it, or correct REDIS_URL. Jobs wait until then; none is lost.',
        ),
  ];
}

/** Compares the clock of this machine with the database and, if a URL is given, with a web server. */
export async function checkClock(db: Database, url?: string): Promise<CheckResult[]> {
  const clock = new Clock();
  const references = [
    {
      name: 'the database',
      read: async () => (await db.single.query<[{ now: Date }]>('select clock_timestamp() as now'))[0].now,
      coarseMs: 0,
    },
  ];
  if (url !== undefined) references.push({ name: url, read: () => dateOf(url), coarseMs: 1000 });
  const faults: CheckResult[] = [];
  for (const { name, read, coarseMs } of references) {
    const before = clock.now().getTime();
    const theirs = await read().then(
      (date) => date.getTime(),
      () => null,
    );
    const after = clock.now().getTime();
    if (theirs === null)
      faults.push(fault('clock', `${name} does not tell the time`, 'Give a URL whose response has a Date header.'));
    else if (theirs + coarseMs < before - mostDriftMs || theirs > after + mostDriftMs) {
      faults.push(
        fault(
          'clock',
          `${Math.round(Math.abs(theirs - after) / 1000)} s off the clock of ${name}`,
          'Synchronize both by NTP: certificates, tokens and renewals depend on the time.',
        ),
      );
    }
  }
  return faultsOrOk('clock', faults, `agrees with ${references.map(({ name }) => name).join(' and ')}`);
}

async function dateOf(url: string): Promise<Date> {
  const { headers } = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5000) });
  const date = new Date(headers.get('date') ?? '');
  if (Number.isNaN(date.getTime())) throw new Error('No Date.');
  return date;
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2).toLocaleString('en')} MiB`;
}
