import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Authorities, type LoadedAuthority } from '../authorities/authorities.js';
import { parseCertificate } from '../pki/certificate.js';
import { entriesIn, type NumberedEntry, type ParsedCrl } from '../pki/crl-reader.js';
import { crlSignatureFault } from '../pki/crl-status.js';
import { REVOCATION_REASONS } from '../pki/distribution-points.js';
import { sameName } from '../pki/names.js';
import { serialHexOf, serialOfInteger } from '../pki/serial.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid } from '../platform/http/problem.js';
import { enqueueCrls } from './crl.job.js';
import { CrlRepository } from './crl.repository.js';
import { ImportedCrlRepository } from './imported-crl.repository.js';
import { type ImportedRevocation, removeFromCrl, RevokedRepository } from './revoked.repository.js';

/** What came of an import. `added`: entries that were not known here. */
export interface ImportedCount {
  entries: number;
  added: number;
}

/** Called with each part of the entries, once they are stored. */
type Follow = (part: readonly ImportedRevocation[]) => Promise<void>;

const atOnce = 5000;

/** Takes over what a CA revoked before its key came here. */
@Injectable()
export class ImportedRevocations {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly revoked: RevokedRepository,
    private readonly lists: CrlRepository,
    private readonly imported: ImportedCrlRepository,
    private readonly audit: Audit,
  ) {}

  /**
   * Stores the entries part by part: after a failure, the same CRL is imported again. Throws Problem `invalid-request`
   * for a CRL that no key of the authority has signed, a delta CRL, or one with entries of other CAs; PkiError
   * `malformed-crl`.
   */
  async take(actor: Actor, { authority }: LoadedAuthority, crl: ParsedCrl, follow: Follow): Promise<ImportedCount> {
    const { id, notAfter } = authority;
    await this.demandOwn(id, crl);
    const count = { entries: 0, added: 0 };
    for await (const part of entriesIn(crl, atOnce)) {
      // When the certificates end is not in the list: no later than the CA.
      const rows = revocationsOf(part, notAfter);
      count.entries += part.length;
      count.added += await this.db.write((tx) => this.revoked.addMany(tx, id, rows, this.clock.now()));
      await follow(rows);
    }
    await this.db.write(async (tx) => {
      await this.imported.add(tx, id, crl, { entries: count.entries, at: this.clock.now() });
      // The lists will have these entries, which tells how large they are.
      const lists = await this.lists.of(tx, id);
      await enqueueCrls(
        tx,
        lists.map((list) => ({ ...list, entries: Math.max(list.entries, count.entries) })),
      );
      await this.audit.record(tx, actor, {
        action: 'authority.revocations-imported',
        targetType: 'authority',
        targetId: id,
        after: { ...count, number: crl.number?.toString(), thisUpdate: crl.thisUpdate, sha256: crl.fingerprintSha256 },
      });
    });
    return count;
  }

  private async demandOwn(id: number, crl: ParsedCrl): Promise<void> {
    if (crl.baseNumber !== undefined) throw invalid('crl', 'This is a delta CRL: send the complete one.');
    if (crl.scope?.isIndirect) throw invalid('crl', 'This is an indirect CRL, which lists certificates of other CAs.');
    const keys = (await this.authorities.keysOf(id)).map(({ certificatePem }) => parseCertificate(certificatePem));
    const named = keys.filter(({ subjectDer }) => sameName(subjectDer, crl.issuerDer));
    if (named.length === 0) throw invalid('crl', 'The CRL is of another CA.');
    const faults = await Promise.all(named.map((key) => crlSignatureFault(crl, key)));
    if (!faults.includes(null)) throw invalid('crl', `${faults[0]}.`);
  }
}

/** Each serial number once. A release, which only delta CRLs have, is left out. */
function revocationsOf(entries: readonly NumberedEntry[], notAfter: Date): ImportedRevocation[] {
  const rows = new Map<string, ImportedRevocation>();
  for (const { serial, revokedAt, reason: name, invalidAt } of entries) {
    const serialHex = serialHexOf(serialOfInteger(serial));
    const reason = name === undefined ? 0 : REVOCATION_REASONS.indexOf(name);
    if (reason !== removeFromCrl)
      rows.set(serialHex, { serialHex, notAfter, revokedAt, reason, invalidityDate: invalidAt ?? null });
  }
  return [...rows.values()];
}
