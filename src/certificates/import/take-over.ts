import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import type { IssuedFacts } from '../issued-facts.js';
import { keyProofOf } from '../key-proof.js';
import { CertificateRepository, type NewRow } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { DefaultSubscriptions } from '../notify/default-subscriptions.js';
import { Notices } from '../notify/notices.js';
import { Planning } from '../planning.js';
import { completePrecertificate } from '../precertificate.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { Successors } from '../successors.js';
import { isUnclaimed, type KnownCertificate } from './known-certificates.js';

/**
 * Gives a stored certificate to another user, who uploads it with better proof of the private key (the key itself, or a
 * CSR) than its owner has given. Anybody can upload a public certificate, so that the first one need not be its owner.
 */
@Injectable()
export class TakeOver {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly relations: Relations,
    private readonly successors: Successors,
    private readonly deploying: Deploying,
    private readonly defaults: DefaultSubscriptions,
    private readonly planning: Planning,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /**
   * `row`: the upload of the stored certificate `known`, whose precertificate it completes. Throws Problem `conflict`
   * without better proof, unless nobody has claimed the certificate.
   */
  async claim(
    tx: Tx,
    actor: Actor,
    { certificate: known, onlyLogged }: KnownCertificate,
    upload: { row: NewRow; relations: RelationsOfNew },
  ): Promise<void> {
    await this.certificates.lockLines(tx, [known.id, ...upload.relations.replacesIds]);
    await this.certificates.change(tx, known.id, async (one) => {
      await this.complete(tx, actor, one, upload.row);
      await this.demandProof(tx, { certificate: one, onlyLogged }, upload.row);
      const before = recorded(one);
      one.takeOver(upload.row);
      await this.certificates.setLabels(tx, one, upload.row.labels);
      await this.relink(tx, one, upload.relations);
      await this.defaults.ensureWarned(tx, one);
      await this.planning.plan(tx, one);
      await this.notices.takenOver(tx, one, before.owner);
      await this.audit.record(tx, actor, {
        action: 'certificate.taken-over',
        targetType: 'certificate',
        targetId: one.id,
        before,
        after: { ...recorded(one), proof: proofOf(upload.row) },
      });
    });
  }

  private async complete(tx: Tx, actor: Actor, known: Certificate, row: NewRow): Promise<void> {
    if (!(await completePrecertificate(known, factsOf(row)))) return;
    await this.audit.record(tx, actor, {
      action: 'certificate.precertificate-replaced',
      targetType: 'certificate',
      targetId: known.id,
      after: { fingerprint: known.sha256 },
    });
  }

  private async demandProof(tx: Tx, stored: KnownCertificate, row: NewRow): Promise<void> {
    const known = stored.certificate;
    const { name, owner, deletedAt } = known;
    const isHere = `A certificate of this issuer with this serial number is here already, as ${name}`;
    if (known.sha256 !== row.sha256) throw new Problem('conflict', `${isHere}, and it is another one.`);
    if (isUnclaimed(stored)) return;
    const [shown, proof] = [keyProofOf(known), row.sealedKey ? 2 : row.csrPem ? 1 : 0];
    if (shown === 2)
      throw new Problem(
        'conflict',
        deletedAt === null
          ? `${isHere}. It belongs to ${owner}: they, or an administrator, can hand it over.`
          : `${isHere}, but deleted; restore it.`,
      );
    if (proof <= shown)
      throw new Problem(
        'conflict',
        `${isHere}, and belongs to ${owner}. To take it over, upload it with its privateKey` +
          `${shown === 1 ? '' : ', or with a csr that was made with that key'}.`,
      );
    // All users may read stored CSRs, so that a stored CSR proves nothing.
    if (proof === 1 && (await this.certificates.isCsrKnown(tx, row)))
      throw new Problem('conflict', `${isHere}. The csr is known here and so proves nothing: make a new one.`);
  }

  /** Gives the certificate the links of the upload. Its predecessors stay. */
  private async relink(tx: Tx, one: Certificate, relations: RelationsOfNew): Promise<void> {
    const { issuerRoleId, notificationIds } = await this.relations.complete(tx, relations);
    await this.certificates.setLinks(tx, one.id, 'role', relations.listedRoleIds);
    await this.certificates.setIssuerRole(tx, one.id, issuerRoleId);
    await this.certificates.setSubscriptions(tx, one, notificationIds);
    await this.deploying.plan(tx, one.id, relations.destinationIds, true);
    const replacesIds = [...(await this.certificates.predecessorsOf(tx, one.id)), ...relations.replacesIds];
    await this.successors.relink(tx, one, replacesIds);
  }
}

/** The facts of the certificate in the row of an upload, which has them all. */
function factsOf(row: NewRow): IssuedFacts {
  const { bodyPem, chainPem, issuer, issuerSha256, serialHex, sha256 } = row as Certificate & IssuedFacts;
  const { signingAlgorithm, notBefore, notAfter, distinguishedName, externalId } = row as Certificate & IssuedFacts;
  return {
    ...{ bodyPem, chainPem, issuer, issuerSha256, serialHex, sha256 },
    ...{ signingAlgorithm, notBefore, notAfter, distinguishedName, externalId },
  };
}

function proofOf({ sealedKey, csrPem }: NewRow): string {
  return sealedKey ? 'private key' : csrPem ? 'CSR' : 'none';
}

type Recorded = Pick<Certificate, 'owner' | 'creatorId' | 'vouchingRole' | 'notify' | 'rotation' | 'rotationPolicyId'>;

function recorded({ owner, creatorId, vouchingRole, notify, rotation, rotationPolicyId }: Recorded): Recorded {
  return { owner, creatorId, vouchingRole, notify, rotation, rotationPolicyId };
}
