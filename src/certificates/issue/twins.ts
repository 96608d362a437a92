import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { SourceLinkRepository } from '../discover/source-link.repository.js';
import type { IssuedFacts } from '../issued-facts.js';

/**
 * A certificate can be uploaded or discovered before its issuer answers the order for it. The row of the order becomes
 * the certificate then, with all places where it was found; the other row stays, as the copy of somebody else.
 */
@Injectable()
export class Twins {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly links: SourceLinkRepository,
    private readonly audit: Audit,
  ) {}

  /**
   * To be called before a row becomes a certificate of these facts. Throws PluginError `refused` when the serial number
   * belongs to another certificate of the issuer.
   */
  async makeRoom(tx: Tx, { id, authorityId }: Certificate, facts: IssuedFacts): Promise<void> {
    for (const twin of await this.certificates.twinsOf(tx, { ...facts, id, authorityId })) {
      if (twin.sha256 !== facts.sha256)
        throw new PluginError('refused', `The issuer used the serial number of certificate ${twin.name} again.`);
      await this.certificates.change(tx, twin.id, (row) => {
        // Serial numbers are unique for one issuer; a copy counts as one whose issuer is not known.
        row.issuerSha256 = createHash('sha256').update(`copy of ${facts.sha256} ${row.id}`).digest('hex');
      });
      await this.links.move(tx, twin.id, id);
      await this.audit.record(tx, systemActor('issue'), {
        action: 'certificate.copy-kept',
        targetType: 'certificate',
        targetId: twin.id,
        after: { certificateId: id },
      });
    }
  }
}
