import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Clock } from '../platform/clock.js';
import { PolicyRepository } from '../rotation/policy.repository.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';
import { nextWarningAt } from './notify/expiry.sweep.js';
import { WatchRepository } from './notify/watch.repository.js';

/** Writes into a certificate's columns when the sweeps must look at it next. To be called after anything that decides about that. */
@Injectable()
export class Planning {
  constructor(
    private readonly clock: Clock,
    private readonly policies: PolicyRepository,
    private readonly certificates: CertificateRepository,
    private readonly watches: WatchRepository,
  ) {}

  /** Changes the entity, which must be locked; the caller saves it. Warnings are planned by the links as stored in `tx`. */
  async plan(tx: Tx, certificate: Certificate): Promise<void> {
    const policy = await this.policies.get(tx, certificate.rotationPolicyId);
    const successor = await this.certificates.findSuccessor(tx, certificate.id);
    certificate.planNext(policy, successor !== null);
    const [watched] = await this.watches.of(tx, [certificate.id]);
    const watching = certificate.notify && certificate.state === 'issued';
    certificate.nextNoticeAt = watched
      ? nextWarningAt({ ...watched, watching, notBefore: certificate.notBefore, notAfter: certificate.notAfter }, this.clock.now()) : null;
  }
}
