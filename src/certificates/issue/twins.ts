import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import type { IssuedFacts } from '../issued-facts.js';
import { Notices } from '../notify/notices.js';
import { holdsPrecertificateOf } from '../precertificate.js';

// Merges two rows that are the same certificate.

/** Statements that move the links of certificate $1 to $2. A link that $2 has already is deleted with $1. */
const moves = [
  `update source_certificate l set certificate_id = $2 where certificate_id = $1
   and not exists (select from source_certificate o
     where o.source_id = l.source_id and o.location = l.location and o.certificate_id = $2)`,
  'update endpoint set certificate_id = $2 where certificate_id = $1',
  `update delivery d set certificate_id = $2 where certificate_id = $1
   and not exists (select from delivery o where o.certificate_id = $2 and o.destination_id = d.destination_id)`,
  'update certificate set renews_id = $2 where renews_id = $1',
  `insert into certificate_replacement (certificate_id, replaced_id)
   select $2::int, replaced_id from certificate_replacement where certificate_id = $1 and replaced_id <> $2
   on conflict do nothing`,
  `insert into certificate_replacement (certificate_id, replaced_id)
   select certificate_id, $2::int from certificate_replacement where replaced_id = $1 and certificate_id <> $2
   on conflict do nothing`,
  `update certificate_run_item i set certificate_id = $2 where certificate_id = $1
   and not exists (select from certificate_run_item o where o.run_id = i.run_id and o.certificate_id = $2)`,
  // It was at the order that the run failed, not at the certificate.
  `update certificate_run_item o set state = 'waiting' where certificate_id = $2 and state = 'failed'
   and exists (select from certificate_run_item i
     where i.run_id = o.run_id and i.certificate_id = $1 and i.state = 'waiting')`,
];

/** What has no reference to the certificate, and so is not deleted with it. */
const remains = ['certificate_run_item', 'next_notice'].map(
  (table) => `delete from ${table} where certificate_id = $1`,
);

/**
 * Merges two rows of one certificate. A certificate may be uploaded or discovered before its issuer answers the order
 * for it. The row of the order then takes over the key, links and deliveries of the other row, which is deleted.
 */
@Injectable()
export class Twins {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /**
   * Call it before `certificate`, which must be locked, gets these facts. Throws PluginError `refused` when another
   * certificate of the issuer has the serial number, when the other row has ended, or is the one that is renewed.
   */
  async merge(tx: Tx, certificate: Certificate, facts: IssuedFacts): Promise<void> {
    const { id, authorityId, renewsId } = certificate;
    for (const { id: twinId } of await this.certificates.twinsOf(tx, { ...facts, id, authorityId })) {
      const twin = await this.certificates.lock(tx, twinId);
      // A scan of public logs may have stored the precertificate before this answer.
      const isSame = twin.sha256 === facts.sha256 || holdsPrecertificateOf(twin, facts);
      if (!isSame)
        throw new PluginError('refused', `The issuer used the serial number of certificate ${twin.name} again.`);
      if (twin.state !== 'issued' || twin.deletedAt !== null)
        throw new PluginError('refused', `The certificate is here already as ${twin.name}, and has ended.`);
      if (twinId === renewsId)
        throw new PluginError('refused', `The issuer answered with the certificate to renew, ${twin.name}.`);
      await this.mergeOne(tx, certificate, twin);
    }
  }

  private async mergeOne(tx: Tx, certificate: Certificate, twin: Certificate): Promise<void> {
    for (const move of moves) await tx.query(move, [twin.id, certificate.id]);
    for (const rest of remains) await tx.query(rest, [twin.id]);
    await tx.query('delete from certificate where id = $1', [twin.id]);
    // A sealed key is bound to its secretId.
    if (certificate.sealedKey === null && twin.sealedKey !== null)
      Object.assign(certificate, { sealedKey: twin.sealedKey, secretId: twin.secretId });
    const act = { action: 'certificate.merged', targetType: 'certificate' } as const;
    const after = { into: certificate.id, from: twin.id, name: twin.name, owner: twin.owner };
    for (const targetId of [twin.id, certificate.id])
      await this.audit.record(tx, systemActor('issue'), { ...act, targetId, after });
    await this.notices.takenOver(tx, certificate, twin.owner);
  }
}
