import type { Tx } from '../platform/db/database.js';

// The chains of certificates, each stored once for all certificates that have it.

/** In SQL, the chain of the certificate `alias` as PEM. */
export const chainOf = (alias: string): string =>
  `(select chain_pem from certificate_chain where id = ${alias}.chain_id)`;

/** In SQL, the id of the chain `pem`, which is stored when it is new; null for none. */
export const keptChain = (pem: string): string => `keep_chain(${pem})`;

/** As `keptChain`. */
export async function keepChain(tx: Tx, chainPem: string | null): Promise<number | null> {
  const [{ id }] = await tx.query<[{ id: number | null }]>(`select ${keptChain('$1')} as id`, [chainPem]);
  return id;
}
