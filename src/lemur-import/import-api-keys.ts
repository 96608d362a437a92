import { ApiKeyRepository } from '../auth/api-key.repository.js';
import { apiKeys, type LemurApiKey, users } from './lemur-rows.js';
import { digestOf, type Run, type Step, type Taken } from './run.js';

const table = apiKeys.name;
/** A century. */
const longestDays = 36_525;

/**
 * Imports API keys. Lemur's tokens name a row and a user by number; they stay valid while TOKEN_SECRETS contains the
 * secret that signed them. A key revoked in Lemur, even after the import, is revoked here.
 */
export async function importApiKeys(run: Run): Promise<void> {
  const rows = await run.parts.lemur.all(apiKeys);
  const inactive = new Set(
    (await run.parts.lemur.all(users)).filter(({ active }) => active === false).map(({ id }) => id),
  );
  await run.step(async (step) => {
    const known = await run.legacy.known(step.tx, 'apikey');
    const usersHere = await run.legacy.ids(step.tx, 'user');
    const taken: Taken[] = [];
    for (const row of rows) {
      step.report.count(table, 'rows');
      const before = known.get(row.id);
      const userId = usersHere.get(row.userId ?? 0);
      if (before?.digest === digestOf(row)) step.report.count(table, 'unchanged');
      else if (before) taken.push(...(await follow(run, step, row, before.id)));
      else if (userId === undefined) leave(step, row);
      // Who is inactive in Lemur may be one with someone active here.
      else
        taken.push(
          await take(run, step, row, { userId, revoked: row.revoked === true || inactive.has(row.userId ?? 0) }),
        );
    }
    await run.remember(step, 'apikey', taken);
  });
}

async function take(
  run: Run,
  { tx, report }: Step,
  row: LemurApiKey,
  { userId, revoked }: { userId: number; revoked: boolean },
): Promise<Taken> {
  const name = nameOf(row);
  const ttl = Number(row.ttl ?? 0);
  const endless = ttl === -1;
  const id = await run.parts.get(ApiKeyRepository).add(tx, {
    userId,
    name,
    applicationName: row.applicationName || null,
    tokenHash: null,
    legacyId: row.id,
    legacyUserId: row.userId,
    ttlDays: endless ? -1 : Math.min(Math.max(ttl, 1), longestDays),
    issuedAt: new Date(Number(row.issuedAt ?? 0) * 1000),
    scopes: null,
    revoked: revoked || (!endless && ttl < 1),
  });
  report.count(table, 'imported');
  return { legacyId: row.id, id, name, digest: digestOf(row) };
}

async function follow(run: Run, { tx, report }: Step, row: LemurApiKey, id: number | null): Promise<Taken[]> {
  report.count(table, 'updated');
  if (id === null) return [];
  if (row.revoked) await run.parts.get(ApiKeyRepository).change(tx, id, { revoked: true });
  return [{ legacyId: row.id, id, name: nameOf(row), digest: digestOf(row) }];
}

function leave({ report }: Step, row: LemurApiKey): void {
  report.count(table, 'left');
  report.note({ kind: 'left', table, id: row.id, name: nameOf(row), text: 'Its user was not imported.' });
}

function nameOf({ id, name }: LemurApiKey): string {
  return name?.slice(0, 128) || `key ${id}`;
}
