import type { LemurTable } from './lemur-rows.js';
import type { Note } from './report.js';
import type { Run } from './run.js';

interface LemurPending {
  id: number;
  name: string | null;
  owner: string | null;
  cn: string | null;
  externalId: string | null;
  authorityId: number | null;
  resolved: boolean | null;
  status: string | null;
  privateKey: Buffer | string | null;
}
interface LemurDnsProvider {
  id: number;
  name: string | null;
  providerType: string | null;
  description: string | null;
  apiEndpoint: string | null;
}

const pending: LemurTable<LemurPending> = {
  name: 'pending_certs',
  required: ['id'],
  optional: ['name', 'owner', 'cn', 'externalId', 'authorityId', 'resolved', 'status', 'privateKey'],
};
const dnsProviders: LemurTable<LemurDnsProvider> = {
  name: 'dns_providers',
  required: ['id'],
  optional: ['name', 'providerType', 'description', 'apiEndpoint'],
};

/** Tables that are not imported, with the reason. */
const untaken: Readonly<Record<string, string>> = {
  logs:
    'The audit log here is a hash chain with the time of writing; the log of Lemur ' +
    'cannot be added to it. Keep that table.',
  endpoints: 'Sources find endpoints again.',
  policies: 'They belong to endpoints, which sources find again.',
  ciphers: 'They belong to endpoints, which sources find again.',
};

/** Reports what is not imported. */
export async function noteLeftovers(run: Run): Promise<void> {
  for (const [table, text] of Object.entries(untaken)) {
    const rows = await run.parts.lemur.count(table);
    if (rows === 0) continue;
    run.report.count(table, 'rows', rows);
    run.report.count(table, 'left', rows);
    run.report.note({ kind: 'left', table, id: null, name: '', text });
  }
  await notePending(run);
  for (const row of await run.parts.lemur.all(dnsProviders)) {
    const facts = { type: row.providerType, description: row.description, apiEndpoint: row.apiEndpoint };
    leave(run, {
      table: dnsProviders.name,
      id: row.id,
      name: row.name ?? '',
      text: 'Its credentials stay in Lemur: create it again.',
      facts,
    });
  }
}

/** Orders are not imported: ordering again could issue twice. Finished ones are among the certificates. */
async function notePending({ parts: { lemur }, report }: Run): Promise<void> {
  const rows = await lemur.all(pending);
  const open = rows.filter(({ resolved }) => resolved !== true);
  report.count(pending.name, 'rows', rows.length);
  report.count(pending.name, 'left', open.length);
  report.count(pending.name, 'merged', rows.length - open.length);
  for (const { id, name, cn, owner, externalId, authorityId, status, privateKey } of open) {
    const facts = { cn, owner, externalId, authorityId, status, hasKey: privateKey !== null };
    report.note({
      kind: 'fault',
      table: pending.name,
      id,
      name: name ?? cn ?? '',
      text: 'It is on order: let Lemur fetch it and import again, or cancel it. Only Lemur has its key.',
      facts,
    });
  }
}

function leave({ report }: Run, { table, ...row }: Omit<Note, 'kind'>): void {
  report.count(table, 'rows');
  report.count(table, 'left');
  report.note({ kind: 'left', table, ...row });
}
