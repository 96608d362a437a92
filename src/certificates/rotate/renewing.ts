import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Authorities, demandActive, type LoadedAuthority } from '../../authorities/authorities.js';
import { NotificationRepository } from '../../notifications/notification.repository.js';
import { PluginError } from '../../plugin-api/errors.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { canMakeKey } from '../../pki/key.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { PolicyRepository } from '../../rotation/policy.repository.js';
import { Admission } from '../admission.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository, type Links } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { Notices } from '../notify/notices.js';
import { StaleAuthority } from '../issue/certificate-store.js';
import { baseName } from '../issue/new-row.js';
import { type Blueprint, Issuing } from '../issue/issuing.js';
import { Subjects } from '../issue/subjects.js';
import { boundsOf, renewedValidity, type Validity, ValidityRefused } from '../issue/validity.js';
import { Successors } from '../successors.js';
import type { TermsWithoutDates } from '../terms.js';

/** `links`: of the old certificate, as its successor got them. */
interface Renewed {
  old: Certificate;
  links: Links;
  id: number;
  issued: boolean;
  notify: boolean;
}

/**
 * The certificate to be renewed has changed since its successor was made for it: that would go to the wrong people or
 * places.
 */
export class StalePredecessor extends Problem {
  constructor({ name }: Pick<Certificate, 'name'>) {
    super('conflict', `Certificate ${name} has been changed meanwhile: look at it again.`);
  }
}

/** What the successor's existence means for the old certificate. */
@Injectable()
export class RenewalFollowUp {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly successors: Successors,
    private readonly notices: Notices,
  ) {}

  /** Throws Problem `wrong-state`, or StalePredecessor. */
  async stored(tx: Tx, { old, links, id, issued, notify }: Renewed): Promise<void> {
    const { destinationIds } = links;
    if (!notify) await this.notices.withholdRotated(tx, id);
    await this.certificates.change(tx, old.id, async (row) => {
      if (!row.renewable)
        throw new Problem('wrong-state', `Certificate ${row.name} is ${row.state}; it is not renewed.`);
      if (!isDeepStrictEqual([inherited(row), await this.certificates.linksOf(tx, row.id)], [inherited(old), links]))
        throw new StalePredecessor(row);
      row.recordRenewal();
    });
    await this.deploying.plan(tx, id, destinationIds, issued);
    if (issued) await this.successors.issued(tx, { id, renewsId: old.id });
  }
}

/** Where and when a renewal takes place. */
@Injectable()
export class RenewalContext {
  constructor(
    readonly db: Database,
    readonly clock: Clock,
    readonly config: Config,
  ) {}
}

/** Decides what the successor looks like. */
@Injectable()
export class RenewalPlans {
  constructor(
    private readonly context: RenewalContext,
    private readonly policies: PolicyRepository,
    private readonly notifications: NotificationRepository,
    private readonly certificates: CertificateRepository,
    private readonly subjects: Subjects,
  ) {}

  async of(
    loaded: LoadedAuthority,
    old: Certificate,
    terms: TermsWithoutDates,
    { userId }: Actor,
  ): Promise<{ blueprint: Blueprint; links: Links }> {
    const tx = this.context.db.single;
    const [policy, links] = await Promise.all([
      this.policies.get(tx, old.rotationPolicyId),
      this.certificates.linksOf(tx, old.id),
    ]);
    const notifications = await this.notifications.getMany(tx, links.notificationIds);
    const secretId = randomUUID();
    const custody = {
      ...inherited(old),
      description: `Renewal of ${old.name}.`,
      creatorId: old.creatorId,
      authorityId: loaded.authority.id,
      renewsId: old.id,
      requestKey: null,
      requestSha256: null,
    };
    const blueprint = {
      custody,
      terms,
      validity: this.validity(loaded, old),
      policy,
      replacesIds: [old.id],
      roleIds: links.roleIds,
      issuerRoleIds: links.issuerRoleIds,
      notificationIds: links.notificationIds,
      leadsS: notifications.filter(({ active }) => active).map(({ leadS }) => leadS),
      subject: await this.subjects.make(old.keyType, terms, secretId, userId),
    };
    return { blueprint, links };
  }

  /** Throws PluginError `misconfigured` when the authority ends too soon. */
  validity(loaded: LoadedAuthority, old: Certificate): Validity {
    try {
      return renewedValidity(old, boundsOf(loaded, this.context.config), this.context.clock.now());
    } catch (error) {
      if (error instanceof ValidityRefused) throw new PluginError('misconfigured', error.message);
      throw error;
    }
  }
}

/** Requests the successor of a certificate: the same properties, a new key, the same destinations. */
@Injectable()
export class Renewing {
  constructor(
    private readonly authorities: Authorities,
    private readonly issuing: Issuing,
    private readonly plans: RenewalPlans,
    private readonly follow: RenewalFollowUp,
    private readonly admission: Admission,
  ) {}

  /**
   * The successor's id. `notify`: whether the owner is told once it is in place. At most one successor can exist: a
   * second caller gets Problem `conflict`. Throws PluginError when the issuer refuses, StalePredecessor, Problem
   * `forbidden` when the names have become forbidden.
   */
  async renew(actor: Actor, old: Certificate, notify = true): Promise<number> {
    const authorityId = authorityOf(old);
    try {
      return await this.renewFrom(await this.authorities.get(authorityId), actor, old, notify);
    } catch (error) {
      if (!(error instanceof StaleAuthority)) throw error;
      return this.renewFrom(await this.authorities.get(authorityId), actor, old, notify);
    }
  }

  /** What the successor would be like. Throws as `renew` would before anyone is asked to sign. */
  async outline(
    actor: Actor,
    old: Certificate,
  ): Promise<{ authority: LoadedAuthority['authority']; terms: TermsWithoutDates; validity: Validity; name: string }> {
    const loaded = await this.authorities.get(authorityOf(old));
    const { authority } = loaded;
    demandActive(authority);
    const terms = await this.admission.ofRenewal(actor, old, loaded);
    const validity = this.plans.validity(loaded, old);
    return {
      authority,
      terms,
      validity,
      name: baseName(undefined, {
        terms,
        issuer: { commonName: authority.commonName, selfSigned: false },
        ...validity,
      }),
    };
  }

  private async renewFrom(
    authority: LoadedAuthority,
    actor: Actor,
    old: Certificate,
    notify: boolean,
  ): Promise<number> {
    const { blueprint, links } = await this.plans.of(
      authority,
      old,
      await this.admission.ofRenewal(actor, old, authority),
      actor,
    );
    const after = { owner: old.owner, renews: old.id };
    const { id } = await this.issuing.run(blueprint, authority, {
      actor,
      after,
      consequences: (tx, newId, issued) => this.follow.stored(tx, { old, links, id: newId, issued, notify }),
    });
    return id;
  }
}

/** What a successor has from its predecessor: who looks after it, and how. */
function inherited({ owner, vouchingRole, notify, rotation, rotationPolicyId }: Certificate) {
  return { owner, vouchingRole, notify, rotation, rotationPolicyId };
}

/** Throws Problem `conflict` when nobody here could issue it again, or no key for it can be made. */
function authorityOf({ name, authorityId, keyType }: Certificate): number {
  if (!canMakeKey(keyType))
    throw new Problem(
      'conflict',
      `A key as ${name} has it (${keyType}) is not made here. Issue one with another key type.`,
    );
  if (authorityId === null) throw new Problem('conflict', `No authority is known that could issue ${name} again.`);
  return authorityId;
}
