import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan, Not } from 'typeorm';
import type { Tx } from '../../platform/db/database.js';
import { OcspResponder } from './ocsp-responder.entity.js';

/** A key of an authority. */
export interface CaKey {
  authorityId: number;
  caSpkiSha256: string;
}

/** Every query on responder certificates. */
@Injectable()
export class OcspResponderRepository {
  /** The one that expires last, if it has not expired. */
  findNewest(tx: Tx, { authorityId, caSpkiSha256 }: CaKey, now: Date): Promise<OcspResponder | null> {
    return tx.findOne(OcspResponder, {
      where: { authorityId, caSpkiSha256, notAfter: MoreThan(now), sealedKey: Not(IsNull()) },
      order: { notAfter: 'DESC', id: 'DESC' },
    });
  }

  async add(tx: Tx, responder: Omit<OcspResponder, 'id'>): Promise<void> {
    await tx.save(tx.create(OcspResponder, responder));
  }

  /** The keys of authorities for which there has been a responder. */
  usedKeys(tx: Tx): Promise<CaKey[]> {
    return tx.query(
      'select distinct authority_id as "authorityId", ca_spki_sha256 as "caSpkiSha256" from ocsp_responder',
    );
  }

  /** Destroys the keys of certificates that have expired. */
  async forgetKeys(tx: Tx, now: Date): Promise<void> {
    await tx.query('update ocsp_responder set sealed_key = null where sealed_key is not null and not_after <= $1', [
      now,
    ]);
  }

  /** The certificates with one of these serial numbers. */
  ofSerials(
    tx: Tx,
    serials: readonly string[],
  ): Promise<Pick<OcspResponder, 'serialHex' | 'caSpkiSha256' | 'notAfter'>[]> {
    return tx.query(
      `select serial_hex as "serialHex", ca_spki_sha256 as "caSpkiSha256", not_after as "notAfter" from ocsp_responder
       where serial_hex = any($1)`,
      [serials],
    );
  }
}
