import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../authorities/authorities.js';
import { type Claimant, DomainPolicy } from '../domains/domain-policy.js';
import { parseCertificate } from '../pki/certificate.js';
import { encodeSubject } from '../pki/names.js';
import { PkiError } from '../pki/pki-error.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { AccountRepository } from '../roles/account.repository.js';
import { isAdmin } from '../roles/permission.js';
import { RoleRepository } from '../roles/role.repository.js';
import type { Certificate } from './certificate.entity.js';
import { unrequestableUsage } from './issue/extensions.schema.js';
import { loadTerms, type TermsWithoutDates } from './terms.js';

/** Whether names may be certified, for whom, by which authority. */
@Injectable()
export class Admission {
  constructor(
    private readonly db: Database,
    private readonly policy: DomainPolicy,
    private readonly accounts: AccountRepository,
    private readonly roles: RoleRepository,
  ) {}

  /** The terms, marked when the actor's rights alone make them possible. Throws Problem `forbidden`. */
  async ofNew(
    actor: Claimant,
    terms: TermsWithoutDates,
    { authority: { id, isPrivate }, above }: LoadedAuthority,
  ): Promise<TermsWithoutDates> {
    return (await this.policy.demand(actor, terms, { id, isPrivate, above }))
      ? { ...terms, beyondPolicy: true }
      : terms;
  }

  /**
   * The terms of the old certificate, for its renewal. A person renews by their own rights. The program renews by those
   * of the certificate's people: the roles of who made it, as long as that account is active, and the owner's role
   * where that vouches for it; nobody's rights are borrowed by naming them. What a privileged person had certified
   * stays possible. Throws Problem `forbidden` when the names have become forbidden, or when it came with a usage that
   * nobody gets by asking: then it is for a privileged person to renew it.
   */
  async ofRenewal(actor: Actor, old: Certificate, authority: LoadedAuthority): Promise<TermsWithoutDates> {
    const terms = withOwnName(loadTerms(old.terms), old);
    if (terms.beyondPolicy) return terms;
    const claimant = actor.userId === 0 ? await this.peopleOf(old) : actor;
    const usage = unrequestableUsage(terms.extendedKeyUsage);
    if (usage === undefined) return this.ofNew(claimant, terms, authority);
    if (!isAdmin(claimant))
      throw new Problem(
        'forbidden',
        `Only an administrator has a certificate with the extended key usage ${usage} renewed.`,
      );
    return { ...terms, beyondPolicy: true };
  }

  private async peopleOf({ owner, ownerVouches, creatorId }: Certificate): Promise<Claimant> {
    const tx = this.db.single;
    const creator = creatorId === null ? null : await this.accounts.find(tx, creatorId);
    const owners = ownerVouches ? await this.roles.known(tx, [owner]) : [];
    return {
      userId: 0,
      roles: [...owners.map((role) => ({ ...role, permissions: [] })), ...(creator?.active ? creator.roles : [])],
    };
  }
}

/**
 * A name that is not written anew, such as an over-long one of a certificate made elsewhere, stays as it is in the
 * certificate: what is issued can be renewed.
 */
function withOwnName(terms: TermsWithoutDates, { bodyPem }: Certificate): TermsWithoutDates {
  try {
    if (!terms.subjectDer) encodeSubject(terms.subject);
    return terms;
  } catch (error) {
    if (!(error instanceof PkiError) || bodyPem === null) throw error;
    return { ...terms, subjectDer: parseCertificate(bodyPem).subjectDer };
  }
}
