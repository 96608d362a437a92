import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import type { OpenSync } from '../../sources/source-sync.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { StillServedRepository } from './still-served.repository.js';

/** A replaced certificate may still be served for so long: services reload, and caches end. */
const graceMs = 3_600_000;
/** A server with two back ends may show another certificate to each scan: what comes back is told once in this time. */
const quietMs = 86_400_000;
const mostListed = 100;

/**
 * Tells of certificates that a scan has seen at endpoints, and that should not be there: revoked ones, replaced ones,
 * and ones that expire within the shortest of `NOTICE_DAYS`. Once for each certificate, endpoint and reason,
 * and again when an endpoint has served another one meanwhile.
 */
@Injectable()
export class StillServed {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly repository: StillServedRepository,
    private readonly certificates: CertificateRepository,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /** At the end of a sync, also of one that failed: what it has seen until then is served. */
  async tell(tx: Tx, { id: syncId, source }: Pick<OpenSync, 'id' | 'source'>): Promise<void> {
    const now = this.clock.now();
    const leadS = this.config.noticeDays.length === 0 ? 0 : Math.min(...this.config.noticeDays) * 86_400;
    const replacedBefore = new Date(now.getTime() - graceMs);
    const toldBefore = new Date(now.getTime() - quietMs);
    const found = await this.repository.claim(
      tx,
      { sourceId: source.id, syncId },
      { now, toldBefore, replacedBefore, leadS },
    );
    for (const { certificateId, reason, endpointIds } of found) {
      const certificate = await this.certificates.get(tx, certificateId);
      await this.notices.stillServed(tx, certificate, { reason, endpointIds, syncId });
      await this.audit.record(tx, systemActor(''), {
        action: 'certificate.still-served',
        targetType: 'certificate',
        targetId: certificateId,
        after: {
          reason,
          sourceId: source.id,
          count: endpointIds.length,
          endpointIds: endpointIds.slice(0, mostListed),
        },
      });
    }
  }
}
