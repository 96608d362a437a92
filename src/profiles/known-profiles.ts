import { Injectable } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { KeptFacts } from '../platform/db/kept-facts.js';
import { invalid } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import type { ProfileRules } from './profile-rules.schema.js';
import { ProfileRepository } from './profile.repository.js';
import type { ProfileWithRules } from './profile.schema.js';

/** A version of a profile as a certificate is issued by it. `factsVersion`: of KeptFacts when it was kept. */
export interface UsedProfile {
  id: number;
  name: string;
  version: number;
  rules: ProfileRules;
  factsVersion?: number;
}

/** Reads profiles for requests and renewals. */
@Injectable()
export class KnownProfiles {
  constructor(
    private readonly db: Database,
    private readonly repository: ProfileRepository,
    private readonly facts: KeptFacts,
  ) {}

  /**
   * The newest version of an active profile, by id or name. `mayBeKept`: it may come from the cache, and the caller
   * stores what follows from it only at the same `factsVersion`. Throws Problem `invalid-request` on `profile`.
   */
  async find(ref: Reference, mayBeKept: boolean): Promise<UsedProfile> {
    const key = `profile ${ref.id ?? wordsOf(ref).toLowerCase()} ${ref.id === undefined ? 'name' : 'id'}`;
    const load = (): Promise<ProfileWithRules | null> => this.repository.find(this.db.single, ref);
    const { value, version } = mayBeKept
      ? await this.facts.of(key, load, (found) => found !== null)
      : { value: await load(), version: undefined };
    if (!value) throw invalid('profile', `There is no profile ${wordsOf(ref)}.`);
    if (!value.active) throw invalid('profile', `The profile ${value.name} is not active; choose another one.`);
    return { ...usedOf(value), ...(version !== undefined && { factsVersion: version }) };
  }

  /** The newest version for a renewal, also of a profile that is no longer active. */
  async newest(id: number): Promise<UsedProfile> {
    return usedOf(await this.repository.get(this.db.single, id));
  }

  /** That version of the profile. */
  async version({ id, name }: Pick<UsedProfile, 'id' | 'name'>, version: number): Promise<UsedProfile> {
    const found = await this.repository.findVersion(this.db.single, id, version);
    if (!found) throw new Error(`Profile ${id} has no version ${version}.`);
    return { id, name, version, rules: found.rules };
  }
}

function usedOf({ id, name, version, rules }: ProfileWithRules): UsedProfile {
  return { id, name, version, rules };
}
