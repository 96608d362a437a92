import { Injectable } from '@nestjs/common';
import { Authorities, demandActive, type LoadedAuthority } from '../../authorities/authorities.js';
import { canMakeKey } from '../../pki/key.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Reference } from '../../platform/http/reference.js';
import { nothingImplied } from '../../profiles/asked-terms.js';
import { obstacleTexts } from '../../rotation/due.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Approval } from '../issue/approval.js';
import type { IssueCommand } from '../issue/issue-command.js';
import { IssueService } from '../issue/issue.service.js';
import { nameOf } from '../issue/issuing.js';
import type { Validity } from '../issue/validity.js';
import { loadTerms, type TermsWithoutDates } from '../terms.js';

/** How a user wants a renewal. `notify`: whether the owner gets a notice once the successor is deployed. */
export interface RenewalWishes {
  notify: boolean;
  /** Default: the profile of the predecessor. */
  profile?: Reference;
}

/** Renews a certificate: requests its successor with the same properties and destinations and a new key. */
@Injectable()
export class Renewing {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly authorities: Authorities,
    private readonly approval: Approval,
    private readonly issues: IssueService,
  ) {}

  /**
   * Returns the id of the successor. Throws Problem `conflict` when there is a successor already, `forbidden` when the
   * names are no longer allowed, PluginError when the issuer refuses, and StalePredecessor.
   */
  async renew(actor: Actor, old: Certificate, wishes: RenewalWishes = { notify: true }): Promise<number> {
    return (await this.issues.issue(await this.commandFor(actor, old, wishes))).id;
  }

  /** What the successor would contain. Throws as `renew`, but asks no issuer and stores nothing. */
  async outline(
    actor: Actor,
    old: Certificate,
    profile?: Reference,
  ): Promise<{ authority: LoadedAuthority['authority']; terms: TermsWithoutDates; validity: Validity; name: string }> {
    const command = await this.commandFor(actor, old, { notify: false, profile });
    const loaded = await this.authorities.get(authorityOf(old));
    const { authority } = loaded;
    demandActive(authority);
    const approved = await this.approval.of(command, loaded);
    return { authority, terms: approved.terms, validity: approved.validity, name: nameOf(command, approved) };
  }

  private async commandFor(actor: Actor, old: Certificate, { notify, profile }: RenewalWishes): Promise<IssueCommand> {
    const { owner, labels, vouchingRole, notify: watched, rotation } = old;
    return {
      owner,
      labels,
      vouchingRole,
      notify: watched,
      rotation,
      actor,
      authority: { id: authorityOf(old) },
      profile,
      terms: loadTerms(old.terms),
      implied: () => nothingImplied,
      key: { keyType: old.keyType },
      validity: {},
      issuerExtensions: [],
      description: `Renewal of ${old.name}.`,
      creatorId: old.creatorId,
      links: {},
      renews: { old, links: await this.certificates.linksOf(this.db.single, old.id), notify },
    };
  }
}

/**
 * The authority that renews it. Throws Problem `conflict` when there is none, or when its key type cannot be generated.
 */
function authorityOf({ name, authorityId, keyType }: Certificate): number {
  const refusal = (why: string): Problem => new Problem('conflict', `${name} cannot be renewed. ${why}`);
  if (!canMakeKey(keyType)) throw refusal(obstacleTexts.keyType);
  if (authorityId === null) throw refusal(obstacleTexts.noIssuer);
  return authorityId;
}
