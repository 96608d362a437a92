import { DomainPolicy } from '../domains/domain-policy.js';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import type { Authority } from '../authorities/authority.entity.js';
import { isolating } from '../platform/isolating.js';
import { PolicyRepository } from '../rotation/policy.repository.js';
import { defaultPolicyName } from '../rotation/policy.entity.js';
import { CertificateBatch } from './certificate-batch.js';
import { linksOf } from './certificate-links.js';
import { digestOfCertificate, type Places } from './certificate-row.js';
import { explainFault } from './fault-text.js';
import { followCertificate } from './follow-certificate.js';
import type { NotificationLinks } from './import-notifications.js';
import { certificates, type LemurCertificate } from './lemur-rows.js';
import { type ReadCertificate, readCertificate } from './read-certificate.js';
import type { Note, Report } from './report.js';
import type { Run } from './run.js';

const table = certificates.name;

/** Imports certificates, a few hundred per transaction. Imported ones are only updated if they changed in Lemur. */
export async function importCertificates(run: Run, notifications: NotificationLinks): Promise<void> {
  const { lemur, advance } = run.parts;
  const places = await placesHere(run);
  const authorities = await authoritiesHere(run, places);
  // CA certificates were imported as authorities.
  const where = lemur.has('certificates', 'root_authority_id') ? 'root_authority_id is null' : 'true';
  for await (const rows of lemur.batches(certificates, where)) {
    const links = await linksOf(
      lemur,
      rows.map(({ id }) => id),
    );
    const known = await run.step(({ tx }) =>
      run.legacy.known(
        tx,
        'certificate',
        rows.map(({ id }) => id),
      ),
    );
    const isSame = (row: LemurCertificate): boolean =>
      known.get(row.id)?.digest === digestOfCertificate({ row, keyLost: false }, links);
    run.report.count(table, 'rows', rows.length);
    run.report.count(table, 'unchanged', rows.filter(isSame).length);
    const readings = await Promise.all(
      rows
        .filter((row) => !isSame(row))
        .map((row) =>
          readCertificate(row, { fernet: run.parts.fernet, authority: authorities.get(row.authorityId ?? 0) }),
        ),
    );
    const revoked = await lemur.revocations(rows.filter(({ status }) => status === 'revoked').map(({ id }) => id));
    const read = readings.flatMap((reading) => reading.read ?? []);
    for (const one of read) await keepNames(run, one, authorities.get(one.row.authorityId ?? 0));
    for (const { notes } of readings.filter((reading) => reading.read === null)) leaveOut(run.report, notes);
    await isolating(
      read,
      (part) =>
        run
          .step(async (step) => {
            await new CertificateBatch(run, step, { links, places, notifications, revoked }).take(
              part.filter(({ row }) => !known.has(row.id)),
            );
            for (const one of part) {
              const before = known.get(one.row.id);
              if (before) await followCertificate(run, step, one, { links, id: before.id });
            }
          })
          .catch((error: unknown) => {
            notifications.forget();
            throw error;
          }),
      ({ row }, error) => leaveOut(run.report, [unstorable(row, error)]),
    );
    advance(rows.length);
  }
}

function leaveOut(report: Report, notes: readonly Note[]): void {
  notes.forEach((note) => report.note(note));
  report.count(table, 'left');
}

function unstorable({ id, name, privateKey }: LemurCertificate, error: unknown): Note {
  const text = `It cannot be stored and was not imported: ${explainFault(error)}.`;
  return { kind: 'fault', table, id, name: name ?? '', text, facts: { hasKey: privateKey !== null } };
}

type AuthorityInLine = Authority & { above: readonly Authority[] };

/** Permits the renewal of imported names even if the domain policy reserves them: Lemur has issued for them. */
async function keepNames(
  { parts: { get, actor } }: Run,
  read: ReadCertificate,
  authority: AuthorityInLine | undefined,
): Promise<void> {
  if (authority && (await get(DomainPolicy).demand(actor, read.terms, authority)))
    read.terms = { ...read.terms, beyondPolicy: true };
}

async function placesHere(run: Run): Promise<Places> {
  return run.step(async ({ tx }) => {
    const policies = new Map((await run.parts.get(PolicyRepository).all(tx)).map((policy) => [policy.id, policy]));
    const byLegacyId = [...(await run.legacy.ids(tx, 'policy'))].flatMap(([legacyId, id]) => {
      const policy = policies.get(id);
      return policy ? [[legacyId, policy] as const] : [];
    });
    const defaultPolicy = [...policies.values()].find(({ name }) => name === defaultPolicyName);
    if (!defaultPolicy) throw new Error('The default rotation policy is missing.');
    return {
      users: await run.legacy.ids(tx, 'user'),
      policies: new Map(byLegacyId),
      defaultPolicy,
      authorities: await run.legacy.ids(tx, 'authority'),
    };
  });
}

async function authoritiesHere(run: Run, { authorities }: Places): Promise<Map<number, AuthorityInLine>> {
  const all = await run.step(({ tx }) => run.parts.get(AuthorityRepository).all(tx));
  const byId = new Map(all.map((authority) => [authority.id, authority]));
  const lineOf = (id: number | null): Authority[] => {
    const authority = byId.get(id ?? 0);
    return authority ? [authority, ...lineOf(authority.parentId)] : [];
  };
  return new Map(
    [...authorities].flatMap(([legacyId, id]) => {
      const [authority, ...above] = lineOf(id);
      return authority ? [[legacyId, { ...authority, above }] as const] : [];
    }),
  );
}
