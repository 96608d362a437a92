import { Authority } from '../authorities/authority.entity.js';
import { DeliveryRepository } from '../certificates/deploy/delivery.repository.js';
import { DueRepository } from '../certificates/due.repository.js';
import { Destination } from '../destinations/destination.entity.js';
import { explain } from '../explain.js';
import { OutboxRepository } from '../jobs/outbox.repository.js';
import { Periodic } from '../jobs/periodic.js';
import { PeriodicRepository } from '../jobs/periodic.repository.js';
import { isStale } from '../jobs/staleness.js';
import { Channel } from '../notifications/channel.entity.js';
import { Clock } from '../platform/clock.js';
import { Mailer } from '../platform/mail/mailer.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { SealedValues } from '../platform/secrets/sealed-values.js';
import { Source } from '../sources/source.entity.js';
import { SourceRepository } from '../sources/source.repository.js';
import { syncLostMs } from '../sources/source-syncs.js';
import { type CheckResult, fault, ok, skipped, faultsOrOk } from './check-result.js';
import type { Session } from './session.js';
import { counted, day } from './table.js';

const sample = 200;
const overdueS = 900;

/** Checks that the key ring has every key in use, and decrypts a sample of the sealed values. */
export async function checkKeys({ get, db }: Session): Promise<CheckResult[]> {
  const [ring, values] = [get(KeyRing), get(SealedValues)];
  const census = await values.census(db.single);
  const unknown = census
    .filter(({ keyId }) => !ring.has(keyId))
    .map(({ table, column, keyId, count }) =>
      fault(
        'key ring',
        `${counted(count, 'value')} of ${table}.${column} are sealed with key "${keyId}", which is not in the ring`,
        'Add that key to the ring again, from a backup.',
      ),
    );
  const closed: CheckResult[] = [];
  for (const column of values.columns(db.single)) {
    const found = (await values.list(db.single, column, { after: 0, limit: sample })).filter(({ sealed }) =>
      ring.has(sealed.keyId),
    );
    closed.push(
      ...found
        .filter(({ sealed, place }) => !opens(() => ring.open(sealed, place).fill(0)))
        .map(({ storedAt }) =>
          fault('key ring', `${storedAt} cannot be decrypted`, 'The row was changed: restore it from a backup.'),
        ),
    );
  }
  return faultsOrOk(
    'key ring',
    [...unknown, ...closed],
    `${counted(
      census.reduce((sum, { count }) => sum + count, 0),
      'sealed value',
    )}, all under keys of the ring; a sample opens`,
  );
}

function opens(open: () => void): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}

export async function checkMail(
  { get, config, shell }: Session,
  { sendTo }: { sendTo?: string },
): Promise<CheckResult[]> {
  const mailer = get(Mailer);
  try {
    if (!(await mailer.greet()))
      return [skipped('mail', 'SMTP_URL is not set: mails are kept and can be read at /api/1/mails')];
    if (sendTo === undefined) return [ok('mail', 'the server answers; nothing was sent')];
    const text = `This mail shows that Perennial at ${config.publicUrl} can send mails.`;
    await mailer.send({ to: [sendTo], subject: 'Perennial can send mails', text, dedupeKey: shell.actor.requestId });
    return [ok('mail', `sent to ${sendTo}`)];
  } catch (error) {
    return [fault('mail', explain(error), 'Correct SMTP_URL or the mail server: warnings wait until then.')];
  }
}

/** Checks the stored options of authorities, destinations, sources and channels against their plugins. */
export async function checkPlugins({ get, db }: Session): Promise<CheckResult[]> {
  const configured = get(ConfiguredPlugins);
  const rows = [
    ...(await db.single.find(Authority)).map((row) => ({
      row,
      kind: 'issuer' as const,
      table: 'authority',
      name: row.name,
    })),
    ...(await db.single.find(Destination)).map((row) => ({
      row,
      kind: 'destination' as const,
      table: 'destination',
      name: row.label,
    })),
    ...(await db.single.find(Source)).map((row) => ({
      row,
      kind: 'source' as const,
      table: 'source',
      name: row.label,
    })),
    ...(await db.single.find(Channel)).map((row) => ({
      row,
      kind: 'notification' as const,
      table: 'channel',
      name: row.label,
    })),
  ];
  const faults = rows.flatMap(({ row, kind, table, name }) => {
    try {
      configured.open(configured.plugin(kind, row.pluginId), row, table);
      return [];
    } catch (error) {
      return [
        fault(
          'plugins',
          `${table} "${name}": ${explain(error)}`,
          `Correct the options of ${table} ${row.id} over REST.`,
        ),
      ];
    }
  });
  return faultsOrOk('plugins', faults, `the options of ${counted(rows.length, 'configured plugin')} are valid`);
}

/** Checks that periodic tasks run, in any process. */
export async function checkPeriodicWork({ get, db }: Session): Promise<CheckResult[]> {
  const known = new Map((await get(PeriodicRepository).list(db.single)).map((status) => [status.name, status]));
  const faults = [...get(Periodic).intervals].flatMap(([name, seconds]) => {
    const status = known.get(name);
    if (status && status.failures > 0)
      return [
        fault(
          'periodic',
          `${name} failed ${counted(status.failures, 'time')}: ${status.lastError ?? 'no reason kept'}`,
          'See the log of the program at that time.',
        ),
      ];
    if (status?.pausedAt)
      return [
        fault(
          'periodic',
          `${name} is paused since ${status.pausedAt.toISOString()} by ${status.pausedBy ?? 'somebody'}`,
          `Resume it with PUT /api/1/tasks/${name} {"paused": false}.`,
        ),
      ];
    if (!isStale(seconds, status, Infinity)) return [];
    const remedy = 'Start the program with PERENNIAL_ROLE all or worker: nothing renews and nobody is warned.';
    if (!status?.lastSuccessAt)
      return [
        fault('periodic', `${name} has never run`, `${remedy} If it was started just now, check again in a minute.`),
      ];
    return [fault('periodic', `${name} last ran ${status.lastSuccessAt.toISOString()}`, remedy)];
  });
  return faultsOrOk('periodic', faults, 'every task ran in time');
}

export async function checkJobs({ get, db }: Session): Promise<CheckResult[]> {
  const counts = await get(OutboxRepository).counts(db.single);
  const faults = counts.flatMap(({ job, state, count, overdueS: late }) => {
    if (state === 'dead')
      return [
        fault(
          'jobs',
          `${counted(count, 'dead letter')} of ${job}`,
          'See GET /api/1/jobs?state=dead for why, then POST /api/1/jobs/{id}/replay.',
        ),
      ];
    return late > overdueS
      ? [
          fault(
            'jobs',
            `${job} has been waiting for ${Math.round(late / 60)} minutes (${count} due)`,
            'Start the program with PERENNIAL_ROLE all or worker, or more of them.',
          ),
        ]
      : [];
  });
  return faultsOrOk('jobs', faults, 'no dead letters, none late');
}

/** Checks for late renewals and failing deliveries. */
export async function checkRenewalsAndDeliveries({ get, db }: Session): Promise<CheckResult[]> {
  const renewals = (await get(DueRepository).lateRenewals(db.single, get(Clock).now())).map(
    ({ name, notAfter, detail }) =>
      fault(
        'renewals',
        `${name} (expires ${day(notAfter)}) is not renewed: ${detail ?? 'it is late'}`,
        'See GET /api/1/certificates/{id}/plan; perennial reissue renews it now.',
      ),
  );
  const deliveries = (await get(DeliveryRepository).failing(db.single)).map(({ certificate, destination, detail }) =>
    fault(
      'deliveries',
      `${certificate} is not at ${destination}: ${detail ?? 'no reason kept'}`,
      'Correct the destination. Retries are automatic; POST /api/1/deliveries/{id}/retry retries at once.',
    ),
  );
  return [...faultsOrOk('renewals', renewals, 'none late'), ...faultsOrOk('deliveries', deliveries, 'none failing')];
}

/** Checks that active sources are scanned on time and without a fault. */
export async function checkSources({ get, db }: Session): Promise<CheckResult[]> {
  const overdue = await get(SourceRepository).overdue(db.single, get(Clock).now(), syncLostMs / 1000);
  const faults = overdue.map(({ label, fault: kind, faultDetail, lastRunAt }) => {
    const last = lastRunAt === null ? 'never yet' : `last ${lastRunAt.toISOString()}`;
    return kind === null
      ? fault(
          'sources',
          `"${label}" is not scanned on schedule, ${last}`,
          'Run perennial sync with its label. The parts "periodic" and "jobs" may show why it waits.',
        )
      : fault(
          'sources',
          `"${label}" cannot be scanned (${last}): ${faultDetail ?? kind}`,
          'Correct the source or its options; perennial sync with its label retries at once.',
        );
  });
  return faultsOrOk('sources', faults, 'every active source was scanned in time');
}
