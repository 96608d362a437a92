import { isDeepStrictEqual } from 'node:util';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import { refuseInUse } from '../platform/db/dependents.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { type BuiltInProfile, builtInProfiles } from './built-in-profiles.js';
import type { ProfileVersion } from './profile.entity.js';
import { ProfileRepository } from './profile.repository.js';
import type { ProfileRequest, ProfileWithRules } from './profile.schema.js';

/** The use cases on profiles. Writes the built-in ones at each start. */
@Injectable()
export class Profiles implements OnApplicationBootstrap {
  constructor(
    private readonly db: Database,
    private readonly repository: ProfileRepository,
    private readonly audit: Audit,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.db.write(async (tx) => {
      // Several instances may start at the same time.
      await tx.query(`select pg_advisory_xact_lock(hashtextextended('profile.built-in', 0))`);
      for (const one of builtInProfiles) await this.writeBuiltIn(tx, one);
    });
  }

  list(query: PageQuery): Promise<Page<ProfileWithRules>> {
    return this.repository.list(this.db.single, query);
  }

  get(id: number): Promise<ProfileWithRules> {
    return this.repository.get(this.db.single, id);
  }

  /** Newest first. Throws Problem `not-found`. */
  async versions(id: number): Promise<ProfileVersion[]> {
    await this.repository.get(this.db.single, id);
    return this.repository.versions(this.db.single, id);
  }

  create(actor: Actor, request: ProfileRequest): Promise<ProfileWithRules> {
    return this.db.write(async (tx) => {
      const { name, active, rules } = request;
      const profile = { name, active, description: request.description ?? null, builtIn: false };
      const id = (await this.repository.add(tx, profile, { rules, author: actor.username })) ?? 0;
      await this.audit.record(tx, actor, {
        action: 'profile.created',
        targetType: 'profile',
        targetId: id,
        after: recorded({ ...profile, version: 1, rules }),
      });
      return this.repository.get(tx, id);
    });
  }

  /** Other rules make a new version. Throws Problem `conflict` for a built-in profile. */
  update(actor: Actor, id: number, request: ProfileRequest): Promise<ProfileWithRules> {
    return this.db.write(async (tx) => {
      const before = await this.repository.lock(tx, id);
      demandOwn(before);
      const { name, active, rules, description = null } = request;
      const isNew = !isDeepStrictEqual(rules, before.rules);
      const after = { ...before, name, active, description, rules, version: before.version + (isNew ? 1 : 0) };
      if (isNew)
        await this.repository.addVersion(tx, { profileId: id, version: after.version, rules, author: actor.username });
      await this.repository.save(tx, after);
      await this.audit.record(tx, actor, {
        action: 'profile.updated',
        targetType: 'profile',
        targetId: id,
        before: recorded(before),
        after: recorded(after),
      });
      return after;
    });
  }

  /** Throws Problem `conflict` for a built-in profile, `in-use` when a certificate or an authority has it. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const profile = await this.repository.lock(tx, id);
      demandOwn(profile);
      refuseInUse(await this.repository.users(tx, id), `Profile ${profile.name}`, 'Make it inactive instead.');
      await this.repository.remove(tx, id);
      await this.audit.record(tx, actor, {
        action: 'profile.deleted',
        targetType: 'profile',
        targetId: id,
        before: recorded(profile),
      });
    });
  }

  /** A profile of a user that has the name of a built-in one stays as it is. */
  private async writeBuiltIn(tx: Tx, { name, description, rules }: BuiltInProfile): Promise<void> {
    const known = await this.repository.find(tx, { name });
    if (!known) {
      await this.repository.add(tx, { name, description, active: true, builtIn: true }, { rules, author: null });
      return;
    }
    if (!known.builtIn || (isDeepStrictEqual(known.rules, rules) && known.description === description)) return;
    const version = known.version + (isDeepStrictEqual(known.rules, rules) ? 0 : 1);
    if (version > known.version)
      await this.repository.addVersion(tx, { profileId: known.id, version, rules, author: null });
    await this.repository.save(tx, { ...known, description, version });
  }
}

function demandOwn({ name, builtIn }: ProfileWithRules): void {
  if (builtIn)
    throw new Problem('conflict', `The profile "${name}" comes with the program: make one of your own with its rules.`);
}

/** What the audit log keeps of a profile. */
function recorded(profile: Pick<ProfileWithRules, 'name' | 'description' | 'active' | 'version' | 'rules'>): object {
  const { name, description, active, version, rules } = profile;
  return { name, description, active, version, rules };
}
