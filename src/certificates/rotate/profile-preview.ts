import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/db/database.js';
import { judge } from '../../profiles/judge.js';
import type { ProfileRules } from '../../profiles/profile-rules.schema.js';
import { ProfileRepository } from '../../profiles/profile.repository.js';
import { termsForRenewal } from '../admission.js';
import { CertificateRepository } from '../certificate.repository.js';
import { askedAgain, sentences } from '../issue/profiling.js';
import type { ProfilePreviewView } from './profile-preview.schema.js';

const mostJudged = 10_000;
const page = 250;
const mostListed = 20;

/** Tells which planned renewals other rules of a profile would refuse, before these are stored. */
@Injectable()
export class ProfilePreview {
  constructor(
    private readonly db: Database,
    private readonly profiles: ProfileRepository,
    private readonly certificates: CertificateRepository,
  ) {}

  /** By the rules alone: rights to names are not looked at. Throws Problem `not-found`. */
  async of(id: number, rules: ProfileRules): Promise<ProfilePreviewView> {
    const profile = await this.profiles.get(this.db.single, id);
    const isChange = !isDeepStrictEqual(rules, profile.rules);
    const versions = new Map((await this.profiles.versions(this.db.single, id)).map((one) => [one.version, one]));
    const found: ProfilePreviewView = {
      dryRun: true,
      renewals: 0,
      refused: 0,
      refusedFail: rules.strictRenewal === true,
      complete: true,
      certificates: [],
    };
    for (let after = 0; ;) {
      const planned = await this.certificates.renewingByProfile(this.db.single, id, { after, limit: page });
      for (const old of planned) {
        found.renewals += 1;
        // Rules are judged when they are others than those of the certificate.
        if (!isChange && old.profileVersion === profile.version) continue;
        const before = versions.get(old.profileVersion ?? 0) ?? null;
        const { violations } = judge(rules, askedAgain(old, termsForRenewal(old), before));
        if (violations.length === 0) continue;
        found.refused += 1;
        if (found.certificates.length < mostListed)
          found.certificates.push({ id: old.id, name: old.name, text: sentences(violations) });
      }
      if (planned.length < page) return found;
      if (found.renewals >= mostJudged) return { ...found, complete: false };
      after = planned.at(-1)?.id ?? after;
      // Judging reads each certificate: others are answered between two pages.
      await setImmediate();
    }
  }
}
