import { access, constants, stat, statfs } from 'node:fs/promises';
import { Clock } from '../platform/clock.js';
import type { Config } from '../platform/config.js';
import type { Database } from '../platform/db/database.js';
import { redisFault } from '../jobs/redis-check.js';
import { type Finding, fault, ok, skipped, soundOr } from './finding.js';

const leastFree = 1024 ** 3;
const mostDriftMs = 5000;

/** DATA_DIR: who may enter it, and how much fits in. */
export async function lookAtFolder({ dataDir, databaseUrl, encryptionKeys }: Config): Promise<Finding[]> {
  const info = await stat(dataDir).catch(() => null);
  const needed = databaseUrl === undefined || !encryptionKeys;
  if (info === null)
    return [
      needed
        ? fault('folder', `${dataDir} is not there`, 'Set DATA_DIR as for the program, or run: perennial init')
        : skipped('folder', `${dataDir} is not needed`),
    ];
  const faults: Finding[] = [];
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
    faults.push(fault('folder', `${dataDir} has ${mebibytes(free)} left`, 'Make room, before the database stops.'));
  return soundOr('folder', faults, `${dataDir}, ${mebibytes(free)} left`);
}

/** The queue between processes. */
export async function lookAtQueue({ redisUrl }: Config): Promise<Finding[]> {
  if (redisUrl === undefined) return [ok('queue', 'in the database')];
  const reason = await redisFault(redisUrl);
  return [
    reason === null
      ? ok('queue', 'Redis answers')
      : fault(
          'queue',
          `Redis does not answer: ${reason}`,
          'Start it, or correct REDIS_URL. Jobs wait meanwhile, none is lost.',
        ),
  ];
}

/** This machine's clock against the database's and, if there is one, a web server's. */
export async function lookAtClock(db: Database, url?: string): Promise<Finding[]> {
  const clock = new Clock();
  const rulers = [
    {
      name: 'the database',
      read: async () => (await db.single.query<[{ now: Date }]>('select clock_timestamp() as now'))[0].now,
      coarseMs: 0,
    },
  ];
  if (url !== undefined) rulers.push({ name: url, read: () => dateOf(url), coarseMs: 1000 });
  const faults: Finding[] = [];
  for (const { name, read, coarseMs } of rulers) {
    const before = clock.now().getTime();
    const theirs = await read().then(
      (date) => date.getTime(),
      () => null,
    );
    const after = clock.now().getTime();
    if (theirs === null)
      faults.push(fault('clock', `${name} does not tell the time`, 'Name a URL that answers with a Date.'));
    else if (theirs + coarseMs < before - mostDriftMs || theirs > after + mostDriftMs) {
      faults.push(
        fault(
          'clock',
          `${Math.round(Math.abs(theirs - after) / 1000)} s away from that of ${name}`,
          'Set both by NTP: certificates, tokens and renewals go by them.',
        ),
      );
    }
  }
  return soundOr('clock', faults, `agrees with ${rulers.map(({ name }) => name).join(' and ')}`);
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
