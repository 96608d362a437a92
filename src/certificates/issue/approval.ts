import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { spkiHash } from '../../pki/key.js';
import { encodeSubject, sameName } from '../../pki/names.js';
import { PkiError } from '../../pki/pki-error.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Actor } from '../../platform/http/actor.js';
import { Faults } from '../../platform/http/faults.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { SubjectFields } from '../../plugin-api/terms.js';
import type { Violation } from '../../profiles/asked-terms.js';
import type { UsedProfile } from '../../profiles/known-profiles.js';
import { isAdmin } from '../../roles/permission.js';
import { Admission, termsForRenewal } from '../admission.js';
import { RelationRights } from '../relation-rights.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import type { Renewal } from '../successors.js';
import { askedNotAfter, type TermsWithoutDates } from '../terms.js';
import { demandExact } from './csr-terms.js';
import { unrequestableUsage } from './extensions.schema.js';
import type { IssueCommand } from './issue-command.js';
import { leftOut } from './issuer-extensions.js';
import { KeyRules } from './key-rules.js';
import { notAllowed, type Profiled, type ProfiledRenewal, Profiling, sentences } from './profiling.js';
import {
  boundsOf,
  datesOf,
  type DecidedValidity,
  renewedValidity,
  type Validity,
  type ValidityBounds,
  ValidityRefused,
  validityOf,
  withinProfile,
} from './validity.js';

/** The decisions about a command: authority, profile, terms, dates and links. Only the key is missing. */
export interface Approved {
  authority: LoadedAuthority;
  profile: UsedProfile | null;
  /** Why a renewal does not follow the newest version of its profile. */
  held?: string;
  terms: TermsWithoutDates;
  validity: Validity;
  relations: RelationsOfNew;
}

/** Decides whether a command may run, and with which terms, dates and links. Writes nothing. */
@Injectable()
export class Approval {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly admission: Admission,
    private readonly keyRules: KeyRules,
    private readonly profiling: Profiling,
    private readonly relations: Relations,
    private readonly rights: RelationRights,
  ) {}

  /**
   * `authority`: the one in the command, which the actor may use. Throws Problem `invalid-request` or `forbidden`. A
   * renewal throws PluginError `misconfigured` when the authority expires too soon.
   */
  async of(command: IssueCommand, authority: LoadedAuthority): Promise<Approved> {
    if (!command.renews) return this.ofNew(command, authority);
    const faults = new Faults();
    faults.addAll(command.faults ?? []);
    faults.demandNone();
    return this.ofRenewal(command, command.renews, authority);
  }

  private async ofNew(command: IssueCommand, authority: LoadedAuthority): Promise<Approved> {
    const { actor } = command;
    const { csr } = command.key;
    const { leaveOut, profile, terms: profiled, validity } = await this.checked(command, authority);
    demandIssuer(actor, profile, profiled.extendedKeyUsage);
    const wanted = leaveOut ? { ...profiled, leaveOut } : profiled;
    const terms = await this.admission.ofNew(actor, wanted, authority);
    const relations = await this.relationsOfNew(command, authority);
    if (csr) await this.rights.demandKeyless(relations.destinationIds);
    await this.rights.demandKeyScope(actor, relations.destinationIds);
    return { authority, profile, ...dated(terms, validity), relations };
  }

  /** Throws as RelationRights: the links of an heir are those that its predecessor has been allowed already. */
  private async relationsOfNew(
    { actor, owner, links, heirOf }: IssueCommand,
    { authority }: LoadedAuthority,
  ): Promise<RelationsOfNew> {
    if (heirOf) {
      await this.rights.demandSuccession(actor, [heirOf.old.id]);
      return this.relations.ofSuccessor(heirOf);
    }
    const relations = await this.relations.ofNew({ ...links, owner }, authority.owner, actor.kept !== undefined);
    await this.rights.demandLinks(actor, owner, relations);
    return relations;
  }

  /** Everything that the request and the authority decide alone. Throws one Problem with all that is wrong. */
  private async checked(command: IssueCommand, authority: LoadedAuthority) {
    const faults = new Faults();
    faults.addAll(command.faults ?? []);
    const { csr } = command.key;
    faults.keep(() => demandIssuable(command, authority), undefined);
    if (csr) faults.keep(() => this.keyRules.demandUsable(csr.spkiDer, authority), undefined);
    const leaveOut = faults.keep(() => leftOut(command.issuerExtensions, authority), undefined);
    const without = { profile: null, terms: command.terms, violations: [] };
    const profiled: Profiled = await faults.keepLater(() => this.profiling.ofNew(command, authority), without);
    const { profile, terms } = profiled;
    const { validity, refused } = this.validityOf(command, authority, profile);
    const byProfile = [...profiled.violations, ...subjectFaults(command, terms, authority), ...refused];
    if (csr?.isProven && faults.all.length + byProfile.length > 0) {
      const claim = { spkiSha256: spkiHash(csr.spkiDer), owner: command.owner };
      await faults.keepLater(() => this.keyRules.demandUnclaimed(claim), undefined);
    }
    const own = sentences(faults.all);
    faults.addAll(byProfile);
    faults.demandNone(own === '' ? byWhom(profile, byProfile) : `${own} ${byWhom(profile, byProfile)}`.trim());
    return { leaveOut, profile, terms, validity: validity as DecidedValidity };
  }

  /**
   * The successor gets the terms, the validity period and the links of its predecessor, as far as its profile, the type
   * of its key and its authority allow.
   */
  private async ofRenewal(command: IssueCommand, renewal: Renewal, authority: LoadedAuthority): Promise<Approved> {
    const { actor, profile: to } = command;
    const { old } = renewal;
    const { profile, terms: profiled, held } = await this.profiledRenewal(command, old, authority);
    const isElsewhere = authority.authority.id !== old.authorityId;
    if (isElsewhere) demandOfAnother(command, { profile, terms: profiled }, authority);
    if (to) demandIssuer(actor, profile, profiled.extendedKeyUsage);
    const terms = await this.admission.ofRenewal(actor, old, authority, profiled);
    try {
      const before = { ...datesOf(old), askedNotAfter: askedNotAfter(old.terms) ?? undefined };
      const [now, asOf] = [this.clock.now(), command.asOf];
      const validity = renewedValidity(before, this.bounds(authority, profile), asOf && asOf > now ? asOf : now);
      const relations = await this.relations.ofSuccessor(renewal, isElsewhere ? authority.authority.owner : undefined);
      return { authority, profile, held, ...dated(terms, validity), relations };
    } catch (error) {
      if (error instanceof ValidityRefused) throw new PluginError('misconfigured', error.message);
      throw error;
    }
  }

  /** By the profile of the command, else by that of the predecessor. Throws as Profiling. */
  private async profiledRenewal(
    { actor, profile: to, key }: IssueCommand,
    old: Renewal['old'],
    loaded: LoadedAuthority,
  ): Promise<ProfiledRenewal> {
    const terms = termsForRenewal(old);
    const { keyType = old.keyType } = key;
    if (!to && keyType === old.keyType)
      return this.profiling.ofRenewal(old, terms, (changed) => this.admission.refusal(actor, old, loaded, changed));
    const changed = await this.profiling.ofChange(old, terms, { to, keyType, authority: loaded.authority });
    // Without any key usage its key could be used for everything (RFC 5280 §4.2.1.3).
    if (terms.keyUsage.length > 0 && changed.terms.keyUsage.length === 0)
      throw invalid('keyType', `A ${keyType} key has none of the key usages of certificate ${old.name}.`);
    demandNone(changed.profile, changed.violations);
    return changed;
  }

  private validityOf(
    { validity }: IssueCommand,
    authority: LoadedAuthority,
    profile: UsedProfile | null,
  ): { validity?: DecidedValidity; refused: Violation[] } {
    try {
      return { validity: validityOf(validity, this.bounds(authority, profile), this.clock.now()), refused: [] };
    } catch (error) {
      if (error instanceof ValidityRefused) return { refused: [{ field: error.field, text: error.message }] };
      throw error;
    }
  }

  private bounds(authority: LoadedAuthority, profile: UsedProfile | null): ValidityBounds {
    return withinProfile(boundsOf(authority, this.config), profile);
  }
}

/** The terms say when the validity was cut to the end of the authority. */
function dated(
  terms: TermsWithoutDates,
  { askedNotAfter: asked, ...validity }: DecidedValidity,
): Pick<Approved, 'terms' | 'validity'> {
  return { terms: asked === undefined ? terms : { ...terms, askedNotAfter: asked }, validity };
}

/** Throws Problem `invalid-request` when another authority than that of the predecessor cannot issue the successor. */
function demandOfAnother(
  command: IssueCommand,
  { profile, terms }: Pick<Profiled, 'profile' | 'terms'>,
  loaded: LoadedAuthority,
): void {
  const unwanted = (terms.leaveOut ?? []).map((extension) => ({ extension, wanted: false, field: extension }));
  const faults = new Faults();
  faults.keep(() => leftOut(unwanted, loaded), undefined);
  faults.addAll(notAllowed(profile, loaded.authority));
  faults.addAll(subjectFaults(command, terms, loaded));
  faults.demandNone(sentences(faults.all));
}

/** Throws Problem `invalid-request` when this authority must not sign this CSR. */
function demandIssuable({ key: { csr } }: IssueCommand, { plugin }: LoadedAuthority): void {
  if (csr && plugin.answers === 'later') demandExact(csr);
}

function subjectFaults(
  { key: { csr }, faults = [] }: IssueCommand,
  { subject, subjectDer, subjectAltNames }: Pick<TermsWithoutDates, 'subject' | 'subjectDer' | 'subjectAltNames'>,
  loaded: LoadedAuthority,
): Violation[] {
  const field = csr ? 'csr' : 'commonName';
  const found: Violation[] = [];
  if (!loaded.authority.isCnOptional && !subject.commonName)
    found.push({ field, text: 'Missing common_name: this authority wants one.' });
  const nameDer = subjectDer ?? encoded(subject, faults.length > 0);
  if (nameDer === null) return found;
  // A certificate with its issuer's name counts as self-issued (RFC 5280 §3.2), and chains through it fail.
  if (sameName(nameDer, loaded.subjectDer))
    found.push({ field, text: 'The subject is the name of the authority itself; choose another one.' });
  const objections = loaded.plugin.objections?.({ authority: loaded.material, subjectDer: nameDer, subjectAltNames });
  for (const text of objections ?? []) found.push({ field: csr ? 'csr' : 'extensions.subAltNames', text: `${text}.` });
  return found;
}

/** Null for a subject that has been refused already. Throws PkiError `bad-name`. */
function encoded(subject: SubjectFields, isRefused: boolean): Buffer | null {
  try {
    return encodeSubject(subject);
  } catch (error) {
    if (error instanceof PkiError && isRefused) return null;
    throw error;
  }
}

/** Throws one Problem `invalid-request` with every violation. */
function demandNone(profile: UsedProfile | null, violations: readonly Violation[]): void {
  const faults = new Faults();
  faults.addAll(violations);
  faults.demandNone(byWhom(profile, violations));
}

function byWhom(profile: UsedProfile | null, violations: readonly Violation[]): string {
  const texts = sentences(violations);
  return profile && texts !== '' ? `By the profile ${profile.name}: ${texts}` : texts;
}

/** A usage that nobody can request comes from the profile: only administrators issue such certificates. */
function demandIssuer(actor: Actor, profile: UsedProfile | null, extendedKeyUsage: readonly string[]): void {
  const usage = profile && unrequestableUsage(extendedKeyUsage);
  if (usage && !isAdmin(actor))
    throw new Problem(
      'forbidden',
      `Only an administrator issues by the profile ${profile.name}: it has the extended key usage ${usage}.`,
    );
}
