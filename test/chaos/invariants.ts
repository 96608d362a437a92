import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCli } from '../support/child.js';
import { orders } from './ca-invariants.js';
import type { Faults } from './faults.js';
import { counted, type Finding, linesOf, wrong } from './finding.js';
import type { MailLine, TakenMail } from './mail.child.js';
import { forEachAtOnce } from './parallel.js';
import type { Population } from './population.js';
import type { Stage } from './stage.js';

/** A process that is killed within this time of a mail may not have stored that it was sent. */
const storingMs = 10_000;
/** A mail is written down this much later than it is sent, at most. */
const closeMs = 200;

/** Counts what the run has done, and everything that must not be. */
export async function judge(stage: Stage, population: Population, faults: Faults): Promise<Finding[]> {
  const parts = [
    await amounts(stage),
    await renewals(stage, faults),
    await requests(stage, population),
    await orders(stage),
    await deliveries(stage),
    await notices(stage),
    await keys(stage),
    await upkeep(stage),
  ];
  return parts.flat().sort((a, b) => Number(a.mustBeNone) - Number(b.mustBeNone));
}

async function amounts({ database }: Stage): Promise<Finding[]> {
  const rows = await database.query<{ name: string; count: number }>(`
    select 'certificates' as name, count(*)::int as count from certificate
    union all select 'certificates ' || state, count(*)::int from certificate group by state
    union all select 'renewals', count(*)::int from certificate where renews_id is not null
    union all select 'deliveries ' || state, count(*)::int from delivery group by state
    union all select 'notices ' || state, count(*)::int from notice group by state
    union all select 'audit events', count(*)::int from audit_event
    order by 1`);
  return rows.map(({ name, count }) => counted(name, count));
}

/** Certificates with two live successors: more time does not put them right. */
export function twins({ database }: Stage): Promise<object[]> {
  return database.query<object>(
    `select renews_id, array_agg(id) as successors from certificate
     where renews_id is not null and state not in ('failed', 'cancelled', 'revoked')
     group by renews_id having count(*) > 1`,
  );
}

async function renewals(stage: Stage, { stalled, longWaits }: Faults): Promise<Finding[]> {
  const { database } = stage;
  const expired = await database.query<object>(
    `select id, common_name, not_after, renewal_reason, renewal_fault, renewal_detail from certificate
     where state = 'issued' and rotation and not_after < now()`,
  );
  const late = await database.query<object>(
    `select c.id, c.not_after, n.id as successor, n.created_at from certificate c
     join certificate n on n.renews_id = c.id
     where c.rotation and n.state not in ('failed', 'cancelled') and n.created_at > c.not_after`,
  );
  return [
    wrong('certificates that expired and could have been renewed', linesOf(expired)),
    wrong('certificates that were renewed after their end', linesOf(late)),
    wrong('certificates with two replacements', linesOf(await twins(stage))),
    wrong('renewals for which the clock had to wait in vain', stalled ? ['the run was cut short'] : []),
    wrong('waits that the clock has made longer when it was set back', longWaits),
  ];
}

async function requests({ database }: Stage, { answered }: Population): Promise<Finding[]> {
  const rows = await database.query<{ key: string; ids: number[] }>(
    `select request_key as key, array_agg(id) as ids from certificate where request_key is not null group by 1`,
  );
  const stored = new Map(rows.map(({ key, ids }) => [key, ids]));
  // No CA refuses: what fails is an answer that a person has rejected, and what was open when the clock went past its
  // deadline.
  const failed = await database.query<object>(
    `select id, fault, fault_detail from certificate
     where state = 'failed' and fault is distinct from 'overdue'
       and coalesce(fault_detail, '') not like 'The answer was rejected.%'`,
  );
  const answers = [...answered].filter(([key, id]) => !stored.get(key)?.includes(id));
  return [
    wrong('requests that were answered with a certificate that is not there', answers.map(String)),
    wrong('requests that failed before their deadline although no answer was rejected', linesOf(failed)),
    wrong('requests for which there are two certificates', linesOf(rows.filter(({ ids }) => ids.length > 1))),
  ];
}

interface Wanted {
  commonName: string;
  serialHex: string | null;
  label: string;
}

/** At each destination of a line is its newest certificate that is in use; of a line without one, nothing is. */
async function deliveries(stage: Stage): Promise<Finding[]> {
  const wanted = await stage.database.query<Wanted>(
    `select distinct on (c.common_name, d.label) c.common_name as "commonName", d.label,
       case when c.state = 'issued' then c.serial_hex end as "serialHex"
     from certificate c join delivery y on y.certificate_id = c.id join destination d on d.id = y.destination_id
     where c.state in ('issued', 'superseded', 'revoked')
     order by c.common_name, d.label, c.state = 'issued' desc, c.id desc`,
  );
  const found: string[] = [];
  await forEachAtOnce(wanted, async (one) => {
    const serial = await serialAt(stage, one);
    if (serial !== one.serialHex?.toLowerCase().replace(/^0+/, '') && (serial ?? null) !== one.serialHex)
      found.push(`${one.commonName} at ${one.label}: ${serial ?? 'nothing'} instead of ${one.serialHex ?? 'nothing'}`);
  });
  return [
    counted('places with a certificate', wanted.filter(({ serialHex }) => serialHex !== null).length),
    wrong('places with another certificate than the newest good one', found),
  ];
}

/** Hex without leading zeros; null when there is no certificate. Throws when the key is that of another. */
async function serialAt({ vaults, deployed }: Stage, { commonName, label }: Wanted): Promise<string | null> {
  const pair = label === 'folder' ? await inFolder(join(deployed, commonName)) : await inVault(commonName);
  if (pair === null) return null;
  const certificate = new X509Certificate(pair.certificate);
  if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) return `${certificate.serialNumber} with another key`;
  return certificate.serialNumber.toLowerCase().replace(/^0+/, '');

  async function inVault(name: string): Promise<{ certificate: string; key: string } | null> {
    const url = await vaults[Number(label.slice(-1))]?.call<string>('url');
    const headers = { 'x-vault-token': 's.TokenOfTheKvEngine' };
    const response = await fetch(`${url}/v1/kv1/certificates/${name}`, { headers });
    if (response.status === 404) return null;
    const { data } = (await response.json()) as { data: Record<string, string> };
    return data['certificate'] ? { certificate: data['certificate'], key: data['private_key'] ?? '' } : null;
  }
}

async function inFolder(folder: string): Promise<{ certificate: string; key: string } | null> {
  try {
    const [certificate, key] = await Promise.all(
      ['cert.pem', 'privkey.pem'].map((name) => readFile(join(folder, name), 'utf8')),
    );
    return certificate && key ? { certificate, key } : null;
  } catch {
    return null;
  }
}

interface SentNotice {
  id: number;
  certificateId: number;
  /** Null for the mail to the owner. */
  subscriptionId: number | null;
  owner: string;
  event: string;
  key: string;
}

/** What the mail server has taken, and the ids of what it has answered, too: these the sender knows of. */
async function mailsOf({ mailFile }: Stage): Promise<{ mails: TakenMail[]; answered: Set<string> }> {
  const text = await readFile(mailFile, 'utf8').catch(() => '');
  const lines = text.split('\n').filter(Boolean);
  const mails: TakenMail[] = [];
  const answered = new Set<string>();
  for (const line of lines.map((one) => JSON.parse(one) as MailLine))
    if ('taken' in line) mails.push(line.taken);
    else answered.add(line.answered);
  return { mails, answered };
}

/** The Message-ID that the program makes of a deduplication key, without its domain. */
const messageIdOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 40);

/**
 * Which notices a mail with this Message-ID tells, for every set of notices that can go into one mail: those of one
 * event and subscription, and all warnings for one owner. Each line of certificates has an owner of its own.
 */
function messagesOf(rows: readonly SentNotice[]): Map<string, number[]> {
  const together = new Map<string, SentNotice[]>();
  for (const row of rows) {
    const groups = [`${row.event} ${row.subscriptionId ?? `of ${row.certificateId}`}`];
    if (row.event === 'certificate.expiring') groups.push(`${row.event} for ${row.owner}`);
    for (const group of groups) together.set(group, [...(together.get(group) ?? []), row]);
  }
  const messages = new Map<string, number[]>();
  for (const group of together.values())
    for (let set = 1; set < 2 ** Math.min(group.length, 12); set += 1) {
      const chosen = group.filter((_, at) => set & (1 << at));
      const keys = chosen.map(({ key }) => key).sort();
      const hash = createHash('sha256').update(keys.join('\n')).digest('hex');
      const key = keys.length === 1 ? keys.join() : `notices:${hash}`;
      messages.set(
        messageIdOf(key),
        chosen.map(({ id }) => id),
      );
    }
  return messages;
}

async function notices(stage: Stage): Promise<Finding[]> {
  const rows = await stage.database.query<SentNotice>(
    `select n.id, certificate_id as "certificateId", subscription_id as "subscriptionId", event, dedupe_key as key,
       owner from notice n join certificate c on c.id = n.certificate_id where n.state = 'sent'`,
  );
  const unsent = await stage.database.query<object>(
    `select id, event, state, attempts, fault_detail from notice where state = 'due'`,
  );
  const unwarned = await stage.database.query<object>(
    `select id, common_name, not_after from certificate c
     where state = 'issued' and notify and not rotation and not_after < now() + interval '2 days'
       and not exists (select from notice n where n.certificate_id = c.id and n.event = 'certificate.expiring')`,
  );
  const { mails, answered } = await mailsOf(stage);
  const messages = messagesOf(rows);
  const copies = new Map<number, TakenMail[]>();
  for (const mail of mails)
    for (const id of messages.get(mail.messageId) ?? []) copies.set(id, [...(copies.get(id) ?? []), mail]);
  const killed = new Map(stage.slots.map(({ mailPort, killedAtMs }) => [mailPort, killedAtMs]));
  const isDoubtful = ({ id, atMs, port }: TakenMail): boolean =>
    !answered.has(id) || (killed.get(port) ?? []).some((at) => at > atMs - closeMs && at < atMs + storingMs);
  const repeated = [...copies].filter(([, all]) => all.length > 1);
  const excused = repeated.filter(([, all]) => all.filter((mail) => !isDoubtful(mail)).length <= 1);
  const inExcess = repeated.filter((one) => !excused.includes(one));
  return [
    counted('mails', mails.length),
    counted('notices repeated because their outcome was unknown', excused.length),
    wrong(
      'notices that were repeated without need',
      inExcess.map(([id, all]) => `${id}: ${JSON.stringify(all)}`),
    ),
    wrong(
      'notices without a mail',
      rows.filter(({ id }) => !copies.has(id)).map((row) => JSON.stringify(row)),
    ),
    wrong('notices that were not sent', linesOf(unsent)),
    wrong('certificates that end without a warning', linesOf(unwarned)),
  ];
}

/** Every key that is kept opens and belongs to its certificate. */
async function keys(stage: Stage): Promise<Finding[]> {
  const rows = await stage.database.query<{ id: number }>(
    `select id from certificate where sealed_key is not null and body_der is not null and state = 'issued'`,
  );
  const bad: string[] = [];
  await forEachAtOnce(rows, async ({ id }) => {
    const { body } = await stage.ask('GET', `/certificates/${id}`);
    const { key } = await stage.ask('GET', `/certificates/${id}/key`);
    if (!new X509Certificate(body as string).checkPrivateKey(createPrivateKey(key as string))) bad.push(String(id));
  });
  return [counted('keys opened', rows.length), wrong('keys of another certificate', bad)];
}

async function upkeep(stage: Stage): Promise<Finding[]> {
  const dead = await stage.database.query<object>(`select job, data, last_error from outbox where state = 'dead'`);
  const failing = await stage.database.query<object>(
    'select name, failures, last_error from periodic_task where failures > 0',
  );
  const withdrawals = await stage.database.query<object>(
    `select id, kind, fault_detail from withdrawal where state = 'due'`,
  );
  const orders = await stage.database.query<object>(
    `select c.id, c.state, c.next_attempt_at from certificate c join authority a on a.id = c.authority_id
     where c.state in ('requested', 'pending') and a.name <> 'waiting'`,
  );
  const open = await stage.database.query<object>(
    `select y.id, y.state, y.fault, y.fault_detail from delivery y join certificate c on c.id = y.certificate_id
     where y.state in ('planned', 'failing', 'removing', 'leaving') and c.state not in ('requested', 'pending')`,
  );
  const audit = await runCli(stage.env, ['audit', 'verify']);
  return [
    wrong('dead letters', linesOf(dead)),
    wrong('periodic tasks that fail', linesOf(failing)),
    wrong('orders that are still open', linesOf(orders)),
    wrong('deliveries that are still open', linesOf(open)),
    wrong('revocations and cancellations that are still open', linesOf(withdrawals)),
    wrong('faults in the audit log', audit.status === 0 ? [] : [audit.stdout + audit.stderr]),
    wrong(
      'processes that ended although nobody killed them',
      stage.slots.flatMap(({ deaths }) => deaths),
    ),
  ];
}
