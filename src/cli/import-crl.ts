import { readFile } from 'node:fs/promises';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import { RevocationImport } from '../certificates/revoke/revocation-import.service.js';
import { Problem } from '../platform/http/problem.js';
import type { Session } from './session.js';

/** Takes over what a CA has revoked elsewhere, from a file with its CRL in DER or PEM. */
export async function importCrl(session: Session, word: string, path: string): Promise<void> {
  const ref = /^\d+$/.test(word) ? { id: Number(word) } : { name: word };
  const authority = await session.get(AuthorityRepository).find(session.db.single, ref);
  if (!authority) throw new Problem('not-found', `There is no authority ${word}.`);
  const imported = await session.get(RevocationImport).run(session.actor, authority.id, await readFile(path));
  const { entries, added, revoked } = imported;
  await session.shell.answer(
    imported,
    `${entries} entries, ${added} of them new; certificates in the inventory that are revoked now: ${revoked}`,
  );
}
