import type { CertificateView } from '../certificates/certificate.schema.js';
import { CertificateLists } from '../certificates/list/certificate-lists.js';
import { ListQuery } from '../certificates/list/list.schema.js';
import { Clock } from '../platform/clock.js';
import { validate } from '../platform/http/validate.js';
import { terminalWidth } from '../platform/terminal.js';
import type { Session } from './session.js';
import { counted, day, table } from './table.js';

interface Options {
  fqdn?: string[];
  issuer?: string;
  owner?: string;
  lifecycle?: string;
  profile?: string;
  expiringIn?: number;
  includeExpired?: boolean;
  ids?: boolean;
}

const dayMs = 86_400_000;
const pageSize = '200';

/** One certificate in the JSON output of `query`, which other commands read with `--from`. */
export function row({ id, name, cn, owner, issuer, lifecycle, notAfter }: CertificateView): object {
  return { id, name, cn, owner, issuer, lifecycle, notAfter };
}

/** Certificates as a text table. */
export function certificateTable(certificates: readonly CertificateView[]): string {
  return table(
    ['id', 'name', 'owner', 'issuer', 'life cycle', 'not after'],
    certificates.map((c) => [c.id, c.name, c.owner, c.issuer, c.lifecycle, day(c.notAfter)]),
  );
}

export async function query(session: Session, options: Options): Promise<void> {
  const { shell } = session;
  const found = await find(session, options);
  if (options.ids && !shell.json) return shell.answer(null, found.map(({ id }) => id).join('\n'));
  const words = found.length === 0 ? '' : certificateTable(found);
  await shell.answer({ items: found.map(row), total: found.length }, words);
  if (!shell.json && terminalWidth() !== null) shell.note(counted(found.length, 'certificate'));
}

async function find(session: Session, options: Options): Promise<CertificateView[]> {
  const now = session.get(Clock).now();
  const found = new Map<number, CertificateView>();
  for (const fqdn of options.fqdn ?? [undefined]) {
    for (const certificate of await search(session, queryOf(options, fqdn))) {
      if (fits(certificate, options, now)) found.set(certificate.id, certificate);
    }
  }
  return [...found.values()].sort((a, b) => a.id - b.id);
}

/** The conditions that the list of the API supports. */
function queryOf(
  { issuer, owner, lifecycle, profile, expiringIn, includeExpired }: Options,
  fqdn: string | undefined,
): Record<string, string> {
  const filter = fqdn === undefined ? issuer && `issuer;${issuer}` : `cn;${fqdn}`;
  return {
    count: pageSize,
    sortBy: 'id',
    ...(filter && { filter }),
    ...(owner && { owner }),
    ...(lifecycle && { lifecycle }),
    ...(profile && { profile }),
    ...(expiringIn !== undefined && { timeRange: String(Math.ceil(expiringIn / 7)) }),
    ...((includeExpired || expiringIn !== undefined) && { showExpired: 'true' }),
  };
}

/** Checks the other conditions. */
function fits(certificate: CertificateView, { issuer, expiringIn, includeExpired }: Options, now: Date): boolean {
  const { authority, notAfter } = certificate;
  const end = new Date(notAfter).getTime();
  if (
    issuer &&
    ![certificate.issuer, authority?.name].some((name) => name?.toLowerCase().includes(issuer.toLowerCase()))
  )
    return false;
  if (expiringIn !== undefined && end > now.getTime() + expiringIn * dayMs) return false;
  return includeExpired === true || end > now.getTime();
}

async function search(session: Session, wanted: Record<string, string>): Promise<CertificateView[]> {
  const lists = session.get(CertificateLists);
  const found: CertificateView[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const page = await lists.list(session.actor, validate(ListQuery, { ...wanted, ...(after && { after }) }));
    found.push(...(page.items as CertificateView[]));
    after = page.next;
  }
  return found;
}
