import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/db/database.js';
import {
  type IssuedCertificate,
  IssuedCertificateRepository,
  type IssuedFilter,
} from './issued-certificate.repository.js';

/** Which part of a list is wanted. */
export interface Part {
  offset: number;
  /** Undefined: all. */
  limit?: number;
}

const idsAtOnce = 1000;
/** A certificate can have a megabyte. */
const rowsAtOnce = 25;

/** Reads the certificates that an authority has issued. */
@Injectable()
export class IssuedCertificates {
  constructor(
    private readonly db: Database,
    private readonly repository: IssuedCertificateRepository,
  ) {}

  /** Null when the authority has issued none with this serial number, or it is deleted. */
  find(authorityId: number, serialHex: string): Promise<IssuedCertificate | null> {
    return this.repository.find(this.db.single, authorityId, serialHex);
  }

  /**
   * Few at a time, as they are consumed: the list of a CA can have a million. What is issued or revoked meanwhile may
   * be in it or not.
   */
  async *list(filter: IssuedFilter, { offset, limit = Infinity }: Part): AsyncGenerator<IssuedCertificate> {
    let [skipped, left] = [0, limit];
    for await (const ids of this.pages(filter)) {
      const wanted = ids.slice(Math.min(offset - skipped, ids.length)).slice(0, Math.min(left, ids.length));
      skipped = Math.min(offset, skipped + ids.length);
      left -= wanted.length;
      for (let at = 0; at < wanted.length; at += rowsAtOnce)
        yield* await this.repository.read(this.db.single, wanted.slice(at, at + rowsAtOnce));
      if (left <= 0) return;
    }
  }

  private async *pages(filter: IssuedFilter): AsyncGenerator<number[]> {
    for (const retired of filter.validAfter === null ? [false, true] : [false]) {
      for (let after = 0, more = true; more;) {
        const rows = await this.repository.ids(this.db.single, filter, { retired, after, most: idsAtOnce });
        after = rows.at(-1)?.id ?? after;
        more = rows.length === idsAtOnce;
        yield rows.map(({ id }) => id);
      }
    }
  }
}
