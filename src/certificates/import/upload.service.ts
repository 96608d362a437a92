import { Injectable } from '@nestjs/common';
import type { Authority } from '../../authorities/authority.entity.js';
import { Authorities } from '../../authorities/authorities.js';
import { issuanceCap } from '../../authorities/limits.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { wordsOf } from '../../platform/http/reference.js';
import { mayDeliverAnything, mayIssueFrom, vouchingRole } from '../../roles/permission.js';
import { Admission } from '../admission.js';
import type { NewRow } from '../certificate.repository.js';
import { type CertificateRow, readRows } from '../certificate.row.js';
import type { CertificateView } from '../certificate.schema.js';
import { CertificateViews } from '../certificate.view.js';
import { Deploying } from '../deploy/deploying.js';
import { CertificateStore, type Stored } from '../issue/certificate-store.js';
import { lockKeys } from '../issue/key-rules.js';
import type { CareOfRow } from '../issue/new-row.js';
import { RelationRights } from '../relation-rights.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { Successors } from '../successors.js';
import { lengthFault } from '../issue/validity.js';
import { ImportedRows } from './imported-rows.js';
import { isUnclaimed, KnownCertificates } from './known-certificates.js';
import { TakeOver } from './take-over.js';
import { issuerAmong, readUpload, type Uploaded } from './uploaded.js';
import type { UploadRequest } from './upload.schema.js';

/** Stores an uploaded certificate with its links and deliveries, or takes over the stored one. */
@Injectable()
export class UploadStore {
  constructor(
    private readonly db: Database,
    private readonly known: KnownCertificates,
    private readonly newOnes: CertificateStore,
    private readonly relations: Relations,
    private readonly deploying: Deploying,
    private readonly successors: Successors,
    private readonly takeOver: TakeOver,
    private readonly views: CertificateViews,
  ) {}

  /** Returns the view, which is made before the commit: a certificate that cannot be shown is not stored. */
  store(actor: Actor, given: NewRow, relations: RelationsOfNew): Promise<CertificateView> {
    return this.db.write(async (tx) => {
      const [row] = await readRows(tx, [await this.put(tx, actor, given, relations)]);
      return this.views.full(row as CertificateRow);
    });
  }

  /** Throws Problem `conflict` when the certificate is stored already, unless nobody has claimed it. */
  async demandUnknown(row: NewRow): Promise<void> {
    const known = await this.known.find(this.db.single, row);
    if (known && !isUnclaimed(known))
      throw new Problem('conflict', `The certificate is here already, as ${known.certificate.name}.`);
  }

  private async put(tx: Tx, actor: Actor, row: NewRow, relations: RelationsOfNew): Promise<number> {
    // A scan that stores the precertificate of this key at the same moment waits, or has stored it.
    await lockKeys(tx, [row.spkiSha256]);
    const known = await this.known.find(tx, row);
    if (known) {
      await this.takeOver.claim(tx, actor, known, { row, relations });
      return known.certificate.id;
    }
    const { name, state, notAfter } = row;
    await this.successors.demandAllowed(tx, { name, state, notAfter }, relations.replacesIds);
    const act = { action: 'certificate.imported', after: { owner: row.owner, serial: row.serialHex } };
    const [{ id }] = (await this.newOnes.insert(tx, [
      { row, links: relations, actor, act, complete: () => this.relations.complete(tx, relations) },
    ])) as [Stored];
    await this.deploying.plan(tx, id, relations.destinationIds, true);
    await this.successors.issued(tx, [{ id, renewsId: null }]);
    return id;
  }
}

/** An upload with its authority and the CA certificate that signed it, if it has one. */
export type AdmittedUpload = Uploaded & { authority: Authority | null; issuerPem?: string };

/** Finds the authority that an upload names, and checks that it issued the certificate and can renew it. */
@Injectable()
export class UploadAuthority {
  constructor(
    private readonly authorities: Authorities,
    private readonly admission: Admission,
  ) {}

  /**
   * Returns the upload with its authority; null when the request names none. Throws Problem when the authority did not
   * issue the certificate, when it could not renew it, and when the actor may not use it.
   */
  async of(
    actor: Actor,
    { authority: ref, externalId }: Pick<UploadRequest, 'authority' | 'externalId'>,
    uploaded: Uploaded,
  ): Promise<AdmittedUpload> {
    if (!ref && externalId)
      throw new Problem('forbidden', 'An external id needs the authority that gave it: name the authority.');
    if (!ref) return { ...uploaded, authority: null };
    const { leaf, terms } = uploaded;
    const loaded = await this.authorities.get((await this.authorities.resolve(ref)).authority.id);
    const { authority, roles, limits, issuers } = loaded;
    if (!mayIssueFrom(actor, { owner: authority.owner, roleIds: roles.map((role) => role.id) })) {
      throw new Problem('forbidden', `You are not allowed to use authority ${wordsOf(ref)}.`);
    }
    if (leaf.isCa) throw invalid('body', 'A CA certificate is not one of those that an authority looks after.');
    const issuerPem = await issuerAmong(
      leaf,
      issuers.map(({ certificatePem }) => certificatePem),
    );
    const fault = lengthFault(leaf, { capAt: (issuedAt) => issuanceCap(limits, issuedAt) });
    if (fault) throw invalid('body', fault);
    return { ...uploaded, authority, issuerPem, terms: await this.admission.ofNew(actor, terms, loaded) };
  }
}

/**
 * POST /certificates/upload: checks that certificate, chain and key belong together, and stores the certificate as if
 * it had been issued here.
 */
@Injectable()
export class UploadService {
  constructor(
    private readonly rows: ImportedRows,
    private readonly authority: UploadAuthority,
    private readonly relations: Relations,
    private readonly relationRights: RelationRights,
    private readonly store: UploadStore,
  ) {}

  /**
   * Returns the view. Throws Problem `invalid-request`, or `conflict` when the certificate is stored already and is not
   * taken over.
   */
  async upload(actor: Actor, request: UploadRequest): Promise<CertificateView> {
    const { row, relations } = await this.ready(actor, request);
    return this.store.store(actor, row, relations);
  }

  /** Checks everything that `upload` demands, and stores nothing. Throws like it. */
  async prepare(actor: Actor, request: UploadRequest): Promise<void> {
    const { row } = await this.ready(actor, request);
    await this.store.demandUnknown(row);
  }

  private async ready(actor: Actor, request: UploadRequest): Promise<{ row: NewRow; relations: RelationsOfNew }> {
    const uploaded = await this.authority.of(actor, request, await readUpload(request));
    const relations = await this.relations.ofNew(request, uploaded.authority?.owner);
    await this.relationRights.demandLinks(actor, request.owner, relations);
    if (relations.destinationIds.length > 0 && uploaded.authority === null && !mayDeliverAnything(actor)) {
      throw new Problem('forbidden', 'Only an operator delivers certificates that no authority here has issued.');
    }
    if (relations.destinationIds.length > 0 && !uploaded.privateKey)
      await this.relationRights.demandKeyless(relations.destinationIds);
    await this.relationRights.demandKeyScope(actor, relations.destinationIds);
    const care = this.careOf(actor, request, relations, uploaded);
    const identity = {
      name: request.name,
      externalId: request.externalId ?? undefined,
      issuerPem: uploaded.issuerPem,
    };
    return { row: this.rows.make(uploaded, care, relations, identity), relations };
  }

  private careOf(
    actor: Actor,
    request: UploadRequest,
    { policy }: RelationsOfNew,
    { authority }: AdmittedUpload,
  ): CareOfRow {
    return {
      owner: request.owner,
      description: request.description ?? null,
      labels: request.labels ?? [],
      creatorId: actor.userId || null,
      authorityId: authority?.id ?? null,
      notify: request.notify ?? request.active ?? true,
      rotation: request.rotation ?? request.rotationPolicy !== undefined,
      rotationPolicyId: policy.id,
      vouchingRole: vouchingRole(actor, request.owner),
    };
  }
}
