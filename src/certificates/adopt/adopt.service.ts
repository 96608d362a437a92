import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { mayVouchFor } from '../../roles/permission.js';
import { type Certificate, ownerVouches } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { readFound } from '../import/uploaded.js';
import { type AdmittedUpload, UploadAuthority } from '../import/upload.service.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { PlanService } from '../rotate/plan.service.js';
import { storeTerms } from '../terms.js';
import { UpdateService } from '../update/update.service.js';
import type { AdoptionView, AdoptRequest } from './adopt.schema.js';

/** The authority of a certificate, admitted for the actor, and the links that it brings. */
interface Adoption {
  admitted: AdmittedUpload;
  relations: RelationsOfNew;
}

/** Puts a certificate that was found or imported under management: owner, authority and rotation in one step. */
@Injectable()
export class AdoptService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly authority: UploadAuthority,
    private readonly relations: Relations,
    private readonly updates: UpdateService,
    private readonly plans: PlanService,
    private readonly reader: CertificateReader,
    private readonly audit: Audit,
  ) {}

  /**
   * Can be repeated. Throws Problem `not-found`, `forbidden`, `wrong-state` unless it is issued, `invalid-request` when
   * the authority did not issue it, and `conflict` when it has another authority.
   */
  async adopt(actor: Actor, id: number, request: AdoptRequest): Promise<AdoptionView> {
    const { authority, ...wishes } = request;
    await this.updates.prepare(actor, id, wishes);
    const adoption = authority ? await this.adoptionOf(actor, id, request) : null;
    await this.updates.update(actor, id, wishes, 'change', async (tx, row) => {
      demandIssued(row);
      if (mayVouchFor(actor, row.owner) && !ownerVouches(row)) row.vouch(row.owner);
      if (adoption) await this.assign(tx, actor, row, adoption);
    });
    return { certificate: await this.reader.get(id), plan: await this.plans.plan(actor, id) };
  }

  private async adoptionOf(actor: Actor, id: number, { authority, owner }: AdoptRequest): Promise<Adoption> {
    const row = await this.certificates.get(this.db.single, id);
    demandIssued(row);
    const { bodyPem, chainPem, externalId } = row;
    const uploaded = await readFound([bodyPem ?? '', ...(chainPem ? [chainPem] : [])]);
    const admitted = await this.authority.of(actor, { authority, externalId }, uploaded);
    return { admitted, relations: await this.relations.find({ owner: owner ?? row.owner }, admitted.authority?.owner) };
  }

  private async assign(tx: Tx, actor: Actor, row: Certificate, { admitted, relations }: Adoption): Promise<void> {
    const { authority, terms } = admitted;
    if (!authority || row.authorityId === authority.id) return;
    if (row.authorityId !== null)
      throw new Problem('conflict', `Certificate ${row.name} belongs to another authority already.`);
    row.adopt(authority.id, storeTerms(terms));
    await this.certificates.setIssuerRole(tx, row.id, (await this.relations.complete(tx, relations)).issuerRoleId);
    await this.audit.record(tx, actor, {
      action: 'certificate.adopted',
      targetType: 'certificate',
      targetId: row.id,
      before: { authorityId: null },
      after: { authorityId: authority.id },
    });
  }
}

function demandIssued({ state, name, deletedAt }: Certificate): void {
  if (state !== 'issued' || deletedAt !== null)
    throw new Problem('wrong-state', `Certificate ${name} is ${deletedAt === null ? state : 'deleted'}, not issued.`);
}
