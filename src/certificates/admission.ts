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
import { Gathered } from '../platform/gathered.js';
import { type Actor, systemActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { type Account, AccountRepository } from '../roles/account.repository.js';
import { isAdmin } from '../roles/permission.js';
import { isReserved } from '../roles/role-name.js';
import { type RoleLabel, RoleRepository } from '../roles/role.repository.js';
import { obstacleTexts } from '../rotation/due.js';
import { type Certificate, ownerVouches } from './certificate.entity.js';
import { unrequestableUsage } from './issue/extensions.schema.js';
import { loadTerms, sameFields, type TermsWithoutDates } from './terms.js';

/** Applies the domain policy: whether an authority may certify these names, for a new certificate and for a renewal. */
@Injectable()
export class Admission {
  private readonly creators = new Gathered<number, Account | null>((ids) =>
    this.accounts.findMany(this.db.single, ids),
  );
  private readonly vouching = new Gathered<string, RoleLabel[]>(async (names) => {
    const found = await this.roles.findByName(this.db.single, [...new Set(names)]);
    return names.map((name) => found.filter((role) => role.name.toLowerCase() === name.toLowerCase()));
  });

  constructor(
    private readonly db: Database,
    private readonly policy: DomainPolicy,
    private readonly accounts: AccountRepository,
    private readonly roles: RoleRepository,
    private readonly authorities: Authorities,
  ) {}

  /**
   * Returns the terms, with `beyondPolicy` when only the rights of the actor allow them. Throws Problem `forbidden`.
   */
  async ofNew(actor: Claimant, terms: TermsWithoutDates, loaded: LoadedAuthority): Promise<TermsWithoutDates> {
    const judged = await this.byPolicy(actor, terms, loaded);
    const isBeyond = await this.policy.demandOfNew(actor, terms, inLine(loaded));
    return isBeyond ? { ...judged, beyondPolicy: true } : judged;
  }

  /**
   * `terms`: those of the old certificate, or what its profile makes of them.
   * A user renews with the user's own rights. The program renews with the rights of the roles of the creator, if the
   * account is active, and of the vouching role; being named as the owner gives none. Names that a privileged user had
   * certified stay allowed. Terms with more than the old certificate has are judged as those of a new one, and so are
   * those at another authority.
   * Throws Problem `forbidden` when the names are no longer allowed, or when the certificate has an extended key usage
   * that only administrators may renew. A refusal to the program tells whose rights were used.
   */
  async ofRenewal(
    actor: Actor,
    old: Certificate,
    authority: LoadedAuthority,
    terms = termsForRenewal(old),
  ): Promise<TermsWithoutDates> {
    const isElsewhere = authority.authority.id !== old.authorityId;
    const admit = isElsewhere || asksForMore(terms, termsForRenewal(old)) ? 'ofNew' : 'byPolicy';
    if (terms.beyondPolicy && admit === 'byPolicy') return terms;
    const asked = isElsewhere ? withoutPrivilege(terms) : terms;
    if (actor.userId !== 0) return this.renewable(actor, asked, authority, admit);
    const { claimant, words } = await this.peopleOf(old);
    try {
      return await this.renewable(claimant, asked, authority, admit);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'forbidden') throw error;
      throw new Problem('forbidden', `${error.detail} ${words}`);
    }
  }

  /** Why a renewal may not have these terms; null when it may. The rest as `ofRenewal`. */
  async refusal(
    actor: Actor,
    old: Certificate,
    authority: LoadedAuthority,
    terms: TermsWithoutDates,
  ): Promise<string | null> {
    try {
      await this.ofRenewal(actor, old, authority, terms);
      return null;
    } catch (error) {
      if (error instanceof Problem && error.code === 'forbidden') return error.detail;
      throw error;
    }
  }

  /** Whether the program could renew this certificate with these terms now, and with whose rights. */
  async outlook(old: Certificate, terms = termsForRenewal(old)): Promise<{ allowed: boolean; text: string }> {
    const { authorityId } = old;
    if (authorityId === null) return { allowed: false, text: obstacleTexts.noIssuer };
    try {
      const loaded = await this.authorities.get(authorityId);
      demandActive(loaded.authority);
      await this.ofRenewal(systemActor('plan'), old, loaded, terms);
      const text = terms.beyondPolicy
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
    admit: 'ofNew' | 'byPolicy',
  ): Promise<TermsWithoutDates> {
    const usage = unrequestableUsage(terms.extendedKeyUsage);
    if (usage === undefined) return this[admit](claimant, terms, authority);
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

  /** Whose rights renew a certificate, and the same as a sentence. */
  private async peopleOf(old: Certificate): Promise<{ claimant: Claimant; words: string }> {
    const { id, owner, vouchingRole, creatorId } = old;
    const creator = creatorId === null ? null : await this.creators.run(creatorId);
    // A reserved name in the owner field (from an old import) gives no rights.
    const vouching = vouchingRole === null || isReserved(vouchingRole) ? [] : await this.vouching.run(vouchingRole);
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

/** What a privileged person may at one authority says nothing about another one. */
function withoutPrivilege({ beyondPolicy: _, ...terms }: TermsWithoutDates): TermsWithoutDates {
  return terms;
}

function inLine({ authority: { id, isPrivate }, above }: LoadedAuthority): IssuerInLine {
  return { id, isPrivate, above };
}

/** Whether a profile has given a renewal a subject, a name or an extended key usage that the old terms do not have. */
function asksForMore(terms: TermsWithoutDates, old: TermsWithoutDates): boolean {
  const names = new Set(old.subjectAltNames.map(({ type, value }) => `${type}:${value}`));
  return (
    !sameFields(terms.subject, old.subject) ||
    !isDeepStrictEqual(terms.subjectDer, old.subjectDer) ||
    terms.subjectAltNames.some(({ type, value }) => !names.has(`${type}:${value}`)) ||
    terms.extendedKeyUsage.some((usage) => !old.extendedKeyUsage.includes(usage)) ||
    // No extended key usage at all means every one.
    (terms.extendedKeyUsage.length === 0 && old.extendedKeyUsage.length > 0)
  );
}

/** The terms that a certificate asks for again when it is renewed. */
export function termsForRenewal(old: Certificate): TermsWithoutDates {
  return withOwnName(loadTerms(old.terms), old);
}

/**
 * Keeps the subject as it is encoded in the certificate when it would not be encoded the same way again, for example
 * because of its order or length. The renewal then has the same subject for its clients.
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
