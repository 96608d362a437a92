import { CertificateReader } from '../certificates/list/certificate-reader.js';
import type { CertificateView } from '../certificates/certificate.schema.js';
import { Problem } from '../platform/http/problem.js';
import { readInput } from '../platform/terminal.js';
import type { Session } from './session.js';

/** The option that selects certificates, besides the arguments of a command. */
export interface Choice {
  from?: string;
}

/**
 * The distinct certificates named by `words` (ids or names) and `--from`. Throws if there are none or one is unknown.
 */
export async function chosen(session: Session, words: readonly string[], { from }: Choice): Promise<CertificateView[]> {
  const given = from === undefined ? [] : idsIn(await readInput(from));
  const all = [...new Set([...words, ...given])];
  if (all.length === 0) throw new Error('Name certificates by id or name, or with --from.');
  const reader = session.get(CertificateReader);
  const certificates = [];
  for (const word of all)
    certificates.push(/^\d{1,9}$/.test(word) ? await reader.get(Number(word)) : await named(reader, word));
  return [...new Map(certificates.map((certificate) => [certificate.id, certificate])).values()];
}

async function named(reader: CertificateReader, name: string): Promise<CertificateView> {
  const [certificate] = (await reader.named(name)).items;
  if (!certificate) throw new Problem('not-found', `There is no certificate ${name}.`);
  return certificate;
}

/** Reads ids from the output of `query --json` or `query --ids`. */
function idsIn(text: string): string[] {
  if (!/^\s*[[{]/.test(text))
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const list: unknown = JSON.parse(text);
  const items: unknown[] = Array.isArray(list) ? list : ((list as { items?: unknown[] }).items ?? []);
  return items.map((item) => {
    const id = typeof item === 'object' && item !== null ? (item as { id?: unknown }).id : item;
    if (!Number.isInteger(id)) throw new Error('An entry of --from has no id.');
    return String(id);
  });
}
