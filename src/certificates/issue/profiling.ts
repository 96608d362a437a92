import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { type Asked, type Implied, nothingImplied, type Violation } from '../../profiles/asked-terms.js';
import { judge } from '../../profiles/judge.js';
import { KnownProfiles, type UsedProfile } from '../../profiles/known-profiles.js';
import type { Reference } from '../../platform/http/reference.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Certificate } from '../certificate.entity.js';
import { Admission, termsForRenewal } from '../admission.js';
import type { TermsWithoutDates } from '../terms.js';
import type { IssueCommand } from './issue-command.js';
import { usagesForKey } from './request-members.js';

/** A request after its profile has completed it. Without a profile the terms are those of the request. */
export interface Profiled {
  profile: UsedProfile | null;
  terms: TermsWithoutDates;
  violations: readonly Violation[];
}

/** The profile and the terms of a renewal. `held`: why it does not follow the newest version. */
export interface ProfiledRenewal {
  profile: UsedProfile | null;
  terms: TermsWithoutDates;
  held?: string;
}

/** `version`: that of the next renewal. */
export interface ProfileOutlook {
  id: number;
  name: string;
  version: number;
  newest: number;
  text: string | null;
}

/** The parts of a certificate that decide the profile of its renewal. */
type Predecessor = Pick<Certificate, 'profileId' | 'profileVersion' | 'keyType'>;

/** Applies profiles to requests and renewals: completes their terms, and finds what the profile refuses. */
@Injectable()
export class Profiling {
  constructor(
    private readonly profiles: KnownProfiles,
    private readonly admission: Admission,
  ) {}

  /**
   * By the named profile, else by the default one of the authority. Throws Problem `invalid-request` when there is no
   * such profile, or when it is not active.
   */
  async ofNew(command: IssueCommand, { authority, plugin }: LoadedAuthority): Promise<Profiled> {
    const { terms, implied, key, actor, unstored } = command;
    const ref = command.profile ?? (authority.defaultProfileId === null ? null : { id: authority.defaultProfileId });
    if (!ref) return { profile: null, terms, violations: [...notAllowed(null, authority), ...unnamed(unstored)] };
    const profile = await this.profiles.find(ref, actor.kept !== undefined);
    const fromCsr = key.csr !== undefined;
    const judged = judge(profile.rules, {
      terms,
      implied: implied(),
      keyType: key.csr ? key.csr.keyType : key.keyType,
      fromCsr,
      isStored: !unstored,
      subjectIsFinal: fromCsr && plugin.answers === 'later',
    });
    return {
      profile,
      terms: { ...terms, ...judged.value },
      violations: [...notAllowed(profile, authority), ...judged.violations],
    };
  }

  /**
   * By the newest version of the profile of the predecessor. When that version refuses the renewal, or `refusal` tells
   * why its terms are not allowed, it follows the one that the predecessor has. Throws PluginError `misconfigured` when
   * the newest version wants such renewals to fail.
   */
  async ofRenewal(
    old: Predecessor,
    terms: TermsWithoutDates,
    refusal: (changed: TermsWithoutDates) => Promise<string | null>,
  ): Promise<ProfiledRenewal> {
    if (old.profileId === null || old.profileVersion === null) return { profile: null, terms };
    const newest = await this.profiles.newest(old.profileId);
    if (newest.version === old.profileVersion) return { profile: newest, terms };
    const before = await this.profiles.version(newest, old.profileVersion);
    const { value, violations } = judge(newest.rules, askedAgain(old, terms, before));
    const changed = { ...terms, ...value };
    const fault = violations.length > 0 ? sentences(violations) : await refusal(changed);
    if (fault === null) return { profile: newest, terms: changed };
    const why = `Version ${newest.version} of its profile ${newest.name} refuses its renewal: ${fault}`;
    if (newest.rules.strictRenewal) throw new PluginError('misconfigured', why);
    return { profile: before, terms, held: `${why} It follows version ${before.version}.` };
  }

  /**
   * The profile and the terms of a renewal by the program now; `text`: why not by its newest version, or why it would
   * fail.
   */
  async outlook(old: Certificate): Promise<{ profile: ProfileOutlook | null; terms: TermsWithoutDates }> {
    const terms = termsForRenewal(old);
    if (old.profileId === null || old.profileVersion === null) return { profile: null, terms };
    const { id, name, version: newest } = await this.profiles.newest(old.profileId);
    const of = (version: number, text: string | null): ProfileOutlook => ({ id, name, version, newest, text });
    try {
      const renewal = await this.ofRenewal(old, terms, async (changed) => {
        // What is not allowed without the new version either is not its fault.
        if (!(await this.admission.outlook(old, terms)).allowed) return null;
        const { allowed, text } = await this.admission.outlook(old, changed);
        return allowed ? null : text;
      });
      return { profile: of(renewal.profile?.version ?? newest, renewal.held ?? null), terms: renewal.terms };
    } catch (error) {
      if (error instanceof PluginError) return { profile: of(newest, error.detail), terms };
      throw error;
    }
  }

  /**
   * A renewal by another profile, or with another type of key by the newest version of its own one. Without a profile
   * so far, the new one decides about usages. Throws as `ofNew`.
   */
  async ofChange(
    old: Predecessor,
    terms: TermsWithoutDates,
    { to, keyType, authority }: { to?: Reference; keyType: string; authority: LoadedAuthority['authority'] },
  ): Promise<Profiled> {
    const own = old.profileId === null ? null : await this.profiles.newest(old.profileId);
    const profile = to ? await this.profiles.find(to, false) : own;
    const types = { from: old.keyType, to: keyType, byProfile: profile?.rules.keyUsage !== undefined };
    const asked = keyType === old.keyType ? terms : { ...terms, keyUsage: usagesForKey(terms.keyUsage, types) };
    if (!profile) return { profile, terms: asked, violations: notAllowed(profile, authority) };
    const before =
      old.profileId === null || old.profileVersion === null
        ? null
        : await this.profiles.version({ id: old.profileId, name: '' }, old.profileVersion);
    const judged = judge(profile.rules, askedAgain({ ...old, keyType }, asked, before));
    return {
      profile,
      terms: { ...asked, ...judged.value },
      violations: [...notAllowed(profile, authority), ...judged.violations],
    };
  }
}

/** What the predecessor was asked to have, without the usages that its profile added: `before` is its version. */
export function askedAgain(
  { keyType }: Predecessor,
  terms: TermsWithoutDates,
  before: Pick<UsedProfile, 'rules'> | null,
): Asked {
  const { keyUsage, extendedKeyUsage } = before?.rules ?? {};
  const implied: Implied = before ? nothingImplied : { ...nothingImplied, keyUsage: true, extendedKeyUsage: true };
  return {
    terms: {
      ...terms,
      keyUsage: terms.keyUsage.filter((usage) => !keyUsage?.always.includes(usage)),
      extendedKeyUsage: terms.extendedKeyUsage.filter((usage) => !extendedKeyUsage?.always.includes(usage)),
    },
    implied,
    keyType,
    fromCsr: false,
    isStored: true,
    subjectIsFinal: false,
  };
}

/** What is wrong with a request without a profile whose certificate is not to be stored. */
function unnamed(unstored?: true): Violation[] {
  return unstored ? [{ field: 'profile', text: 'Name a profile whose certificates are not stored.' }] : [];
}

/** What is wrong when the authority does not issue by the profile. */
export function notAllowed(
  profile: UsedProfile | null,
  { id, name, allowedProfileIds }: LoadedAuthority['authority'],
): Violation[] {
  if (allowedProfileIds.length === 0 || (profile && allowedProfileIds.includes(profile.id))) return [];
  const text = profile
    ? `Authority ${name} does not issue by the profile ${profile.name}; GET /authorities/${id} lists its profiles.`
    : `Name a profile that authority ${name} issues by; GET /authorities/${id} lists them.`;
  return [{ field: 'profile', text }];
}

/** The texts of the violations in one line. */
export function sentences(violations: readonly Violation[]): string {
  return violations.map(({ text }) => text).join(' ');
}
