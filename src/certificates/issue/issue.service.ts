import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Authorities, type LoadedAuthority } from '../../authorities/authorities.js';
import { encodeSubject, sameName } from '../../pki/names.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx, violatedConstraint } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { wordsOf } from '../../platform/http/reference.js';
import { mayIssueFrom, mayVouchFor } from '../../roles/permission.js';
import { Admission } from '../admission.js';
import { CertificateRepository } from '../certificate.repository.js';
import type { CertificateRow } from '../certificate.row.js';
import { Deploying } from '../deploy/deploying.js';
import { Successors } from '../successors.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { StaleAuthority } from './certificate-store.js';
import { demandExact } from './csr-terms.js';
import type { IssueRequest } from './issue.schema.js';
import { type Blueprint, Issuing, type Occasion } from './issuing.js';
import { KeyRules } from './key-rules.js';
import { rowAsStored } from './row-as-stored.js';
import { leftOut } from './services.js';
import { Subjects } from './subjects.js';
import { boundsOf, validityOf, ValidityRefused, type Validity } from './validity.js';
import { type Wanted, wantedOf } from './wanted.js';

/** The key that a client gave a request, and the hash of that request. */
interface RequestMark {
  key: string;
  sha256: string;
}

/** The certificate that a request has led to; its row where that is known without reading it. */
export interface Issued {
  id: number;
  row?: CertificateRow;
}

/** Decides everything about a new certificate before anyone is asked to sign it. */
@Injectable()
export class IssuePlanning {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly relations: Relations,
    private readonly subjects: Subjects,
    private readonly admission: Admission,
    private readonly keyRules: KeyRules,
    private readonly deploying: Deploying,
    private readonly successors: Successors,
  ) {}

  defaultAuthority(): { name: string } {
    if (!this.config.defaultAuthority) throw invalid('authority', 'Name an authority: no default one is configured.');
    return { name: this.config.defaultAuthority };
  }

  async plan(
    loaded: LoadedAuthority,
    actor: Actor,
    request: IssueRequest,
    mark: RequestMark | null,
  ): Promise<{ blueprint: Blueprint; relations: RelationsOfNew }> {
    const wanted = await wantedOf(request, this.config);
    demandIssuable(wanted, loaded);
    if (wanted.csr) await this.keyRules.demandUsable(wanted.csr.spkiDer, request.owner, loaded);
    const leaveOut = leftOut(request.extensions, loaded);
    const terms = await this.admission.ofNew(actor, leaveOut ? { ...wanted.terms, leaveOut } : wanted.terms, loaded);
    if (!loaded.authority.isCnOptional && !terms.subject.commonName)
      throw invalid(wanted.csr ? 'csr' : 'commonName', 'Missing common_name: this authority wants one.');
    const validity = this.validity(loaded, request);
    const relations = await this.relations.ofNew(actor, request, loaded.authority.owner);
    if (wanted.csr) await this.relations.demandKeyless(relations.destinationIds);
    await this.relations.demandKeyScope(actor, relations.destinationIds);
    const secretId = randomUUID();
    const subject = wanted.csr
      ? {
          secretId,
          sealedKey: null,
          csrPem: wanted.csrPem,
          spkiDer: wanted.csr.spkiDer,
          keyType: wanted.csr.keyType,
          bits: wanted.csr.bits,
        }
      : await this.subjects.make(wanted.keyType, terms, secretId, actor.userId);
    const custody = {
      owner: request.owner,
      description: request.description ?? null,
      creatorId: actor.userId || null,
      authorityId: loaded.authority.id,
      notify: request.notify ?? request.active ?? true,
      rotation: request.rotation ?? request.rotationPolicy !== undefined,
      rotationPolicyId: relations.policy.id,
      vouchingRole: mayVouchFor(actor, request.owner) ? request.owner : null,
      renewsId: null,
      requestKey: mark?.key ?? null,
      requestSha256: mark?.sha256 ?? null,
    };
    const { missing, ...found } = relations;
    const complete =
      missing.roles.length + missing.notifications.length > 0
        ? (tx: Tx) => this.relations.complete(tx, relations)
        : undefined;
    return {
      relations,
      blueprint: {
        ...{ custody, terms, validity, subject, customName: request.name, ...found, complete },
        claimsKey: wanted.csr !== null,
      },
    };
  }

  occasion(actor: Actor, { custody, terms, validity }: Blueprint, relations: RelationsOfNew): Occasion {
    const after = { owner: custody.owner, authorityId: custody.authorityId, names: terms.subjectAltNames, ...validity };
    if (relations.destinationIds.length === 0 && relations.replacesIds.length === 0) return { actor, after };
    return {
      actor,
      after,
      consequences: async (tx, id, issued) => {
        await this.deploying.plan(tx, id, relations.destinationIds, issued);
        if (issued) await this.successors.issued(tx, { id, renewsId: null });
      },
    };
  }

  private validity(loaded: LoadedAuthority, request: IssueRequest): Validity {
    try {
      return validityOf(request, boundsOf(loaded, this.config), this.clock.now());
    } catch (error) {
      if (error instanceof ValidityRefused) throw invalid(error.field, error.message);
      throw error;
    }
  }
}

/** Throws Problem `invalid-request` for what this authority must not sign. */
function demandIssuable({ csr, terms }: Wanted, { plugin, subjectDer }: LoadedAuthority): void {
  if (csr && plugin.answers === 'later') demandExact(csr);
  // A certificate with its issuer's name counts as self-issued (RFC 5280 §3.2), and chains through it fail.
  if (sameName(terms.subjectDer ?? encodeSubject(terms.subject), subjectDer))
    throw invalid(csr ? 'csr' : 'commonName', 'The subject is the name of the authority itself; choose another one.');
}

/** POST /certificates: one use case from request to stored certificate. */
@Injectable()
export class IssueService {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly issuing: Issuing,
    private readonly planning: IssuePlanning,
    private readonly certificates: CertificateRepository,
  ) {}

  /**
   * `key` (Idempotency-Key) makes a repeated request answer with the first one's certificate.
   * Throws Problem, `conflict` when the key came with another request before; PluginError when the issuer refuses.
   */
  async issue(actor: Actor, request: IssueRequest, key: string | null): Promise<Issued> {
    const mark =
      key === null ? null : { key, sha256: createHash('sha256').update(JSON.stringify(request)).digest('hex') };
    const earlier = mark && (await this.earlier(actor, mark));
    if (earlier) return earlier;
    const authority = await this.authorized(actor, request);
    try {
      return await this.issueFrom(authority, actor, request, mark);
    } catch (error) {
      const first =
        mark && violatedConstraint(error) === 'certificate_request' ? await this.earlier(actor, mark) : null;
      if (first) return first;
      if (!(error instanceof StaleAuthority)) throw error;
      await this.authorities.get(authority.authority.id);
      return this.issueFrom(await this.authorized(actor, request), actor, request, mark);
    }
  }

  /** The certificate of the same request, if that has come before. */
  private async earlier(actor: Actor, { key, sha256 }: RequestMark): Promise<Issued | null> {
    const first = await this.certificates.findByRequestKey(this.db.single, actor.userId, key);
    if (first && first.requestSha256 !== sha256)
      throw new Problem('conflict', 'This Idempotency-Key came with another request before.');
    return first && { id: first.id };
  }

  private async issueFrom(
    authority: LoadedAuthority,
    actor: Actor,
    request: IssueRequest,
    mark: RequestMark | null,
  ): Promise<Issued> {
    const { blueprint, relations } = await this.planning.plan(authority, actor, request, mark);
    const made = await this.issuing.run(blueprint, authority, this.planning.occasion(actor, blueprint, relations));
    return { id: made.id, row: rowAsStored(made, { actor, authority, relations }) };
  }

  /**
   * The authority, when the actor may use it. A cached one may not know of a right given a moment ago, or that it is
   * active again, so before a refusal the database is asked.
   */
  private async authorized(actor: Actor, { authority: ref }: IssueRequest): Promise<LoadedAuthority> {
    const wanted = ref ?? this.planning.defaultAuthority();
    const kept = await this.authorities.resolve(wanted);
    const owned = ({ authority, roles }: LoadedAuthority) => ({
      owner: authority.owner,
      roleIds: roles.map((role) => role.id),
    });
    if (kept.authority.active && mayIssueFrom(actor, owned(kept))) return kept;
    const fresh = await this.authorities.get(kept.authority.id);
    if (mayIssueFrom(actor, owned(fresh))) return fresh;
    throw new Problem('forbidden', `You are not allowed to use authority ${wordsOf(wanted)}.`);
  }
}
