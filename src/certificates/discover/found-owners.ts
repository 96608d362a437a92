import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import type { Source } from '../../sources/source.entity.js';
import type { Certificate } from '../certificate.entity.js';
import { keyProofOf } from '../key-proof.js';
import { CertificateRepository } from '../certificate.repository.js';
import { CertificateSubscriptionRepository } from '../notify/certificate-subscription.repository.js';
import { Planning } from '../planning.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import type { OwnerRelations } from './discovery.js';
import { type SourceLink, SourceLinkRepository } from './source-link.repository.js';

/**
 * Links the owner that a source reports to a certificate that is stored already, so that this owner gets notices too:
 * the user who first uploaded a public certificate need not be its owner. Does nothing when the stored owner has proved
 * to have the private key.
 */
@Injectable()
export class FoundOwners {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly links: SourceLinkRepository,
    private readonly relations: Relations,
    private readonly subscriptions: CertificateSubscriptionRepository,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  /** Links each owner once. Call it before the links of `found` are stored. */
  async link(tx: Tx, source: Source, found: readonly SourceLink[], owners: OwnerRelations): Promise<void> {
    if (found.length === 0) return;
    const known = await this.links.ownersOf(
      tx,
      found.map(({ certificateId }) => certificateId),
    );
    const fresh = new Map(
      found
        .filter(({ certificateId, owner }) => !known.get(certificateId)?.includes(owner))
        .map((link) => [`${link.certificateId} ${link.owner}`, link]),
    );
    for (const { certificateId, owner } of [...fresh.values()].sort((a, b) => a.certificateId - b.certificateId)) {
      const relations = owners.get(owner);
      if (!relations) throw new Error(`The relations of the owner ${owner} were not read.`);
      await this.certificates.change(tx, certificateId, (row) => this.linkOne(tx, row, { source, owner, relations }));
    }
  }

  private async linkOne(
    tx: Tx,
    row: Certificate,
    { source, owner, relations }: { source: Source; owner: string; relations: RelationsOfNew },
  ): Promise<void> {
    if (keyProofOf(row) > 0 || row.state !== 'issued') return;
    const before = { notify: row.notify, deleted: row.deletedAt !== null };
    const links = await this.certificates.linksOf(tx, row.id);
    const { roleIds, notificationIds } = await this.relations.complete(tx, relations);
    if (row.watched && roleIds.every((id) => links.roleIds.includes(id))) return;
    if (row.deletedAt !== null) row.restore();
    row.notify = true;
    const roles = roleIds.filter((id) => !links.roleIds.includes(id));
    await this.certificates.setLinks(tx, row.id, 'role', [...links.listedRoleIds, ...roles]);
    const added = notificationIds.filter((id) => !links.notificationIds.includes(id));
    await this.subscriptions.link(tx, added, [row.id]);
    await this.planning.plan(tx, row);
    await this.audit.record(tx, systemActor(''), {
      action: 'certificate.found',
      targetType: 'certificate',
      targetId: row.id,
      before,
      after: { notify: true, deleted: false, sourceId: source.id, foundFor: owner },
    });
  }
}
