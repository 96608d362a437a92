import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Authorities, demandActive, type LoadedAuthority } from '../authorities/authorities.js';
import { type Claimant, DomainPolicy } from '../domains/domain-policy.js';
import { parseCertificate } from '../pki/certificate.js';
import { encodeSubject, keptSubject } from '../pki/names.js';
import { PkiError } from '../pki/pki-error.js';
import type { IssuerInLine } from '../domains/rule-book.js';
import { PluginError } from '../plugin-api/errors.js';
import type { SubjectFields } from '../plugin-api/terms.js';
import { Database } from '../platform/db/database.js';
import { type Actor, systemActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { AccountRepository } from '../roles/account.repository.js';
import { isAdmin } from '../roles/permission.js';
import { isReserved } from '../roles/role-name.js';
import { RoleRepository } from '../roles/role.repository.js';
import { type Certificate, ownerVouches } from './certificate.entity.js';
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
    private readonly authorities: Authorities,
  ) {}

  /** The terms, marked when the actor's rights alone make them possible. Throws Problem `forbidden`. */
  async ofNew(actor: Claimant, terms: TermsWithoutDates, loaded: LoadedAuthority): Promise<TermsWithoutDates> {
    const judged = await this.byPolicy(actor, terms, loaded);
    const isBeyond = await this.policy.demandOfNew(actor, terms, inLine(loaded));
    return isBeyond ? { ...judged, beyondPolicy: true } : judged;
  }

  /**
   * The terms of the old certificate, for its renewal. A person renews by their own rights. The program renews by those
   * of the certificate's people: the roles of who made it, as long as that account is active, and the role that vouches
   * for it; nobody's rights are borrowed by naming them. What a privileged person had certified stays possible. Throws
   * Problem `forbidden` when the names have become forbidden, or when it came with a usage that nobody gets by asking:
   * then it is for a privileged person to renew it. A refusal to the program says by whose rights it was asked.
   */
  async ofRenewal(actor: Actor, old: Certificate, authority: LoadedAuthority): Promise<TermsWithoutDates> {
    const terms = withOwnName(loadTerms(old.terms), old);
    if (terms.beyondPolicy) return terms;
    if (actor.userId !== 0) return this.renewable(actor, terms, authority);
    const { claimant, words } = await this.peopleOf(old);
    try {
      return await this.renewable(claimant, terms, authority);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'forbidden') throw error;
      throw new Problem('forbidden', `${error.detail} ${words}`);
    }
  }

  /** Whether the program could renew this certificate now, and by whose rights. */
  async outlook(old: Certificate): Promise<{ allowed: boolean; text: string }> {
    const { authorityId } = old;
    if (authorityId === null) return { allowed: false, text: 'No authority is known that could issue it again.' };
    try {
      const loaded = await this.authorities.get(authorityId);
      demandActive(loaded.authority);
      await this.ofRenewal(systemActor('plan'), old, loaded);
      const text = loadTerms(old.terms).beyondPolicy
        ? 'A privileged person had its names certified; that stays possible.'
        : (await this.peopleOf(old)).words;
      return { allowed: true, text };
    } catch (error) {
      if (error instanceof Problem || error instanceof PluginError) return { allowed: false, text: error.detail };
      throw error;
    }
  }

  private async renewable(
    claimant: Claimant,
    terms: TermsWithoutDates,
    authority: LoadedAuthority,
  ): Promise<TermsWithoutDates> {
    const usage = unrequestableUsage(terms.extendedKeyUsage);
    if (usage === undefined) return this.byPolicy(claimant, terms, authority);
    if (!isAdmin(claimant))
      throw new Problem(
        'forbidden',
        `Only an administrator has a certificate with the extended key usage ${usage} renewed.`,
      );
    return { ...terms, beyondPolicy: true };
  }

  private async byPolicy(
    claimant: Claimant,
    terms: TermsWithoutDates,
    loaded: LoadedAuthority,
  ): Promise<TermsWithoutDates> {
    return (await this.policy.demand(claimant, terms, inLine(loaded))) ? { ...terms, beyondPolicy: true } : terms;
  }

  /** Whose rights renew a certificate, and the same in words. */
  private async peopleOf(old: Certificate): Promise<{ claimant: Claimant; words: string }> {
    const { id, owner, vouchingRole, creatorId } = old;
    const tx = this.db.single;
    const creator = creatorId === null ? null : await this.accounts.find(tx, creatorId);
    // A reserved name in an owner field (from an old import) lends nothing.
    const vouching =
      vouchingRole === null || isReserved(vouchingRole) ? [] : await this.roles.findByName(tx, [vouchingRole]);
    const people = [
      ...(vouchingRole === null ? [] : [`the role ${vouchingRole}${vouching.length > 0 ? '' : ' (which is gone)'}`]),
      ...(creator ? [`its creator ${creator.username}${creator.active ? '' : ' (whose account is closed)'}`] : []),
    ];
    const acceptance = ownerVouches(old)
      ? ''
      : ` A holder of the role ${owner} can accept it, so that it renews by the rights of that role: ` +
        `POST /certificates/${id}/accept.`;
    return {
      claimant: {
        userId: 0,
        roles: [...vouching.map((role) => ({ ...role, permissions: [] })), ...(creator?.active ? creator.roles : [])],
      },
      words: `It renews by the rights of ${people.join(' and of ') || 'nobody'}.${acceptance}`,
    };
  }
}

function inLine({ authority: { id, isPrivate }, above }: LoadedAuthority): IssuerInLine {
  return { id, isPrivate, above };
}

/**
 * A name that is not written anew just as it is, such as one in another order or an over-long one of a certificate made
 * elsewhere, stays as it is in the certificate: what is issued can be renewed, and is the same to its clients.
 */
function withOwnName(terms: TermsWithoutDates, { bodyPem }: Certificate): TermsWithoutDates {
  if (terms.subjectDer || bodyPem === null) return terms;
  const leaf = parseCertificate(bodyPem);
  const subjectDer = keptSubject(leaf.subjectDer);
  if (!canEncode(terms.subject)) return { ...terms, subjectDer: subjectDer ?? leaf.subjectDer };
  return subjectDer && isDeepStrictEqual(leaf.subjectFields, terms.subject) ? { ...terms, subjectDer } : terms;
}

function canEncode(subject: SubjectFields): boolean {
  try {
    return encodeSubject(subject).length > 0;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
