import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Fernet } from './fernet.js';
import { importApiKeys } from './import-api-keys.js';
import { importAuthorities } from './import-authorities.js';
import { importCertificates } from './import-certificates.js';
import { importDestinations } from './import-destinations.js';
import { importSensitiveDomains } from './import-domains.js';
import { importNotifications } from './import-notifications.js';
import { importPolicies } from './import-policies.js';
import { importSources } from './import-sources.js';
import { importRoles } from './import-roles.js';
import { importUsers } from './import-users.js';
import { noteLeftovers } from './leftovers.js';
import { LemurDatabase } from './lemur-database.js';
import { certificates } from './lemur-rows.js';
import { linkReplacements } from './link-replacements.js';
import type { Report } from './report.js';
import { type Get, Run, type RunParts } from './run.js';

/** Parameters of an import. `begin` receives the number of certificates, `advance` the number of finished ones. */
export interface ImportRequest {
  databaseUrl: string;
  fernetKeys: readonly string[];
  dryRun: boolean;
  actor: Actor;
  get: Get;
  begin: (certificates: number) => void;
  advance: (certificates: number) => void;
}

/** Number of private keys that are tried in advance. */
const sample = 50;

class Undone extends Error {}

/**
 * Imports a snapshot of a Lemur database, which is only read. May be interrupted and repeated at any time: imported
 * rows are left alone. A dry run does everything in one transaction and rolls it back.
 */
export async function importLemur(request: ImportRequest): Promise<Report> {
  const fernet = new Fernet(request.fernetKeys);
  const lemur = await LemurDatabase.open(request.databaseUrl);
  try {
    await demandFittingKeys(lemur, fernet);
    request.begin(await lemur.count(certificates.name));
    const { actor, get, advance } = request;
    const db = get(Database);
    const parts = { lemur, fernet, actor, get, advance, now: get(Clock).now() };
    return await (request.dryRun
      ? rehearse(db, parts)
      : importAll(new Run({ ...parts, write: (work) => db.write(work) })));
  } finally {
    await lemur.close();
  }
}

async function rehearse(db: Database, parts: Omit<RunParts, 'write'>): Promise<Report> {
  let report: Report | undefined;
  await db.source
    .transaction(async (manager) => {
      // Reading from Lemur may take long between two statements.
      await manager.query('set local idle_in_transaction_session_timeout = 0');
      report = await importAll(
        new Run({ ...parts, write: (work) => manager.transaction((inner) => work(inner as Tx)) }),
      );
      throw new Undone();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error;
    });
  if (!report) throw new Error('The dry run did not finish.');
  return report;
}

async function importAll(run: Run): Promise<Report> {
  await importRoles(run);
  await importUsers(run);
  await importApiKeys(run);
  await importPolicies(run);
  await importDestinations(run);
  await importSources(run);
  const notifications = await importNotifications(run);
  await importAuthorities(run);
  await importSensitiveDomains(run);
  await importCertificates(run, notifications);
  await linkReplacements(run);
  await noteLeftovers(run);
  const { actor, get, lemur } = run.parts;
  for (const { table, id } of lemur.disclosed.values())
    run.report.note({
      kind: 'changed',
      table,
      id,
      name: String(id),
      text: 'Its description contained a private key, which was removed. Treat that key as disclosed.',
    });
  const after = { tables: Object.fromEntries(run.report.tables), ...run.report.totals };
  await run.step(({ tx }) =>
    get(Audit).record(tx, actor, { action: 'lemur.imported', targetType: 'database', targetId: lemur.name, after }),
  );
  return run.report;
}

/** Throws when no key opens any private key: the import would lose all of them. */
async function demandFittingKeys(lemur: LemurDatabase, fernet: Fernet): Promise<void> {
  const tokens = await lemur.someKeys(sample);
  const fits = tokens.some((token) => {
    try {
      fernet.open(token);
      return true;
    } catch {
      return false;
    }
  });
  if (tokens.length > 0 && !fits)
    throw new Error(
      'None of the Fernet keys opens any private key of that database. The keys are ' +
        'LEMUR_ENCRYPTION_KEYS in the settings of Lemur.',
    );
}
