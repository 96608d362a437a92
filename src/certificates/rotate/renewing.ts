import { Injectable } from '@nestjs/common';
import { Authorities, demandActive, type LoadedAuthority } from '../../authorities/authorities.js';
import { canMakeKey } from '../../pki/key.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Approval } from '../issue/approval.js';
import type { IssueCommand } from '../issue/issue-command.js';
import { IssueService } from '../issue/issue.service.js';
import { nameOf } from '../issue/issuing.js';
import type { Validity } from '../issue/validity.js';
import { loadTerms, type TermsWithoutDates } from '../terms.js';

/** Requests the successor of a certificate: the same properties, a new key, the same destinations. */
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
   * The successor's id. `notify`: whether the owner is told once it is in place. At most one successor can exist: a
   * second caller gets Problem `conflict`. Throws PluginError when the issuer refuses, StalePredecessor, Problem
   * `forbidden` when the names have become forbidden.
   */
  async renew(actor: Actor, old: Certificate, notify = true): Promise<number> {
    return (await this.issues.issue(await this.commandFor(actor, old, notify))).id;
  }

  /** What the successor would be like. Throws as `renew` would before anyone is asked to sign. */
  async outline(
    actor: Actor,
    old: Certificate,
  ): Promise<{ authority: LoadedAuthority['authority']; terms: TermsWithoutDates; validity: Validity; name: string }> {
    const command = await this.commandFor(actor, old, false);
    const loaded = await this.authorities.get(authorityOf(old));
    const { authority } = loaded;
    demandActive(authority);
    const approved = await this.approval.of(command, loaded);
    return { authority, terms: approved.terms, validity: approved.validity, name: nameOf(command, approved) };
  }

  private async commandFor(actor: Actor, old: Certificate, notify: boolean): Promise<IssueCommand> {
    const { owner, vouchingRole, notify: watched, rotation } = old;
    return {
      owner,
      vouchingRole,
      notify: watched,
      rotation,
      actor,
      authority: { id: authorityOf(old) },
      terms: loadTerms(old.terms),
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
