import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { encodeSubject, sameName } from '../../pki/names.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Reference } from '../../platform/http/reference.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Violation } from '../../profiles/asked-terms.js';
import type { UsedProfile } from '../../profiles/known-profiles.js';
import { isAdmin } from '../../roles/permission.js';
import { Admission, termsForRenewal } from '../admission.js';
import { RelationRights } from '../relation-rights.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import type { Renewal } from '../successors.js';
import type { TermsWithoutDates } from '../terms.js';
import { demandExact } from './csr-terms.js';
import { unrequestableUsage } from './extensions.schema.js';
import type { IssueCommand } from './issue-command.js';
import { leftOut } from './issuer-extensions.js';
import { KeyRules } from './key-rules.js';
import { type ProfiledRenewal, Profiling, sentences } from './profiling.js';
import {
  boundsOf,
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
  of(command: IssueCommand, authority: LoadedAuthority): Promise<Approved> {
    return command.renews ? this.ofRenewal(command, command.renews, authority) : this.ofNew(command, authority);
  }

  private async ofNew(command: IssueCommand, authority: LoadedAuthority): Promise<Approved> {
    const { actor, owner, links } = command;
    const { csr } = command.key;
    demandIssuable(command, authority);
    if (csr) this.keyRules.demandUsable(csr.spkiDer, authority);
    const leaveOut = leftOut(command.issuerExtensions, authority);
    const { profile, terms: profiled, violations } = await this.profiling.ofNew(command, authority);
    const { validity, refused } = this.validityOf(command, authority, profile);
    demandNone(profile, [...violations, ...subjectFaults(command, profiled, authority), ...refused]);
    demandIssuer(actor, profile, profiled.extendedKeyUsage);
    const wanted = leaveOut ? { ...profiled, leaveOut } : profiled;
    const terms = await this.admission.ofNew(actor, wanted, authority);
    const relations = await this.relations.ofNew(
      { ...links, owner },
      authority.authority.owner,
      actor.kept !== undefined,
    );
    await this.rights.demandLinks(actor, owner, relations);
    if (csr) await this.rights.demandKeyless(relations.destinationIds);
    await this.rights.demandKeyScope(actor, relations.destinationIds);
    return { authority, profile, terms, validity: validity as Validity, relations };
  }

  /**
   * The successor gets the terms, the validity period and the links of its predecessor, as far as its profile allows.
   */
  private async ofRenewal(
    { actor, profile: to }: IssueCommand,
    { old, links }: Renewal,
    authority: LoadedAuthority,
  ): Promise<Approved> {
    const { profile, terms: profiled, held } = await this.profiledRenewal(actor, old, to, authority);
    if (to) demandIssuer(actor, profile, profiled.extendedKeyUsage);
    const terms = await this.admission.ofRenewal(actor, old, authority, profiled);
    try {
      const validity = renewedValidity(old, this.bounds(authority, profile), this.clock.now());
      return { authority, profile, held, terms, validity, relations: await this.relations.ofRenewal(old, links) };
    } catch (error) {
      if (error instanceof ValidityRefused) throw new PluginError('misconfigured', error.message);
      throw error;
    }
  }

  /** By the profile `to`, else by that of the predecessor. Throws as Profiling. */
  private async profiledRenewal(
    actor: Actor,
    old: Renewal['old'],
    to: Reference | undefined,
    loaded: LoadedAuthority,
  ): Promise<ProfiledRenewal> {
    const terms = termsForRenewal(old);
    if (!to)
      return this.profiling.ofRenewal(old, terms, (changed) => this.admission.refusal(actor, old, loaded, changed));
    const changed = await this.profiling.ofChange(old, terms, { to, authority: loaded.authority });
    demandNone(changed.profile, changed.violations);
    return changed;
  }

  private validityOf(
    { validity }: IssueCommand,
    authority: LoadedAuthority,
    profile: UsedProfile | null,
  ): { validity?: Validity; refused: Violation[] } {
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

/** Throws Problem `invalid-request` when this authority must not sign this CSR. */
function demandIssuable({ key: { csr } }: IssueCommand, { plugin }: LoadedAuthority): void {
  if (csr && plugin.answers === 'later') demandExact(csr);
}

function subjectFaults(
  { key: { csr } }: IssueCommand,
  { subject, subjectDer }: Pick<TermsWithoutDates, 'subject' | 'subjectDer'>,
  loaded: LoadedAuthority,
): Violation[] {
  const field = csr ? 'csr' : 'commonName';
  const faults: Violation[] = [];
  if (!loaded.authority.isCnOptional && !subject.commonName)
    faults.push({ field, text: 'Missing common_name: this authority wants one.' });
  // A certificate with its issuer's name counts as self-issued (RFC 5280 §3.2), and chains through it fail.
  if (sameName(subjectDer ?? encodeSubject(subject), loaded.subjectDer))
    faults.push({ field, text: 'The subject is the name of the authority itself; choose another one.' });
  return faults;
}

/** Throws one Problem `invalid-request` with every violation. */
function demandNone(profile: UsedProfile | null, violations: readonly Violation[]): void {
  if (violations.length === 0) return;
  const reasons: Record<string, string[]> = {};
  for (const { field, text } of violations) (reasons[field] ??= []).push(text);
  const texts = sentences(violations);
  throw new Problem('invalid-request', profile ? `By the profile ${profile.name}: ${texts}` : texts, { reasons });
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
