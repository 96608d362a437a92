import { Injectable } from '@nestjs/common';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { Database } from '../../platform/db/database.js';
import { instant, instantOrNull } from '../../platform/http/instant.js';
import type { Actor } from '../../platform/http/actor.js';
import { Admission } from '../admission.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Profiling } from '../issue/profiling.js';
import { PlanHolds, type ShownHold } from './plan-holds.js';
import { explanationOf, remediesOf, wordsOfReplacement } from './plan-words.js';
import { RenewalInfoRepository, type SuggestedRenewal } from './renewal-info.repository.js';
import type { PlanView } from './rotate.schema.js';
import { RotationPreview } from './rotation-preview.js';

/** Reads the plan of a certificate: when and why it will be renewed, or why not, and by whose rights. */
@Injectable()
export class PlanService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly authorities: AuthorityRepository,
    private readonly holds: PlanHolds,
    private readonly preview: RotationPreview,
    private readonly admission: Admission,
    private readonly profiling: Profiling,
    private readonly renewalInfos: RenewalInfoRepository,
  ) {}

  /** Throws Problem `not-found`. */
  async plan(actor: Actor, id: number): Promise<PlanView> {
    const tx = this.db.single;
    const certificate = await this.certificates.get(tx, id);
    const { plan, policy, hold, replacement: asked } = await this.holds.planOf(certificate);
    const successor = await this.certificates.findSuccessor(tx, id);
    const authority = certificate.authorityId === null ? null : await this.authorities.get(tx, certificate.authorityId);
    const { profile, terms } = await this.profiling.outlook(certificate);
    const rights = certificate.state === 'issued' ? await this.admission.outlook(certificate, terms) : null;
    const destinations = await this.preview.placesFor(actor, successor ?? certificate);
    const at = hold?.until ?? plan.at;
    const { renewalAttempts: attempts, renewalDetail: detail, keyType } = certificate;
    const told = { text: plan.text, at: plan.at, obstacle: plan.obstacle, hold };
    const replacement = asked && { ...asked, text: wordsOfReplacement(asked, id) };
    const use = await this.preview.useOf(certificate);
    const refusal = at && (await this.preview.refusalOf(certificate, at));
    const parts = { ...told, authority, keyType, destinations, use, attempts, detail, rights, refusal };
    return {
      willRenew: plan.at !== null,
      at: instantOrNull(at),
      dueAt: instantOrNull(plan.dueAt ?? plan.at),
      reason: plan.obstacle ?? plan.reason,
      text: plan.text,
      hold: hold && holdView(hold),
      explanation: [...explanationOf(parts), ...(replacement ? [replacement.text] : [])],
      remedies: remediesOf(parts),
      policy: { id: policy.id, name: policy.name, days: policy.days, lifetimeFraction: policy.lifetimeFraction },
      authority: authority && { id: authority.id, name: authority.name, active: authority.active },
      successor: successor && { id: successor.id, name: successor.name, lifecycle: successor.state },
      replacement: replacement && {
        runId: replacement.runId,
        reason: replacement.reason,
        state: replacement.state,
        text: replacement.text,
      },
      suggested: suggestedView(await this.renewalInfos.find(tx, id)),
      attempts,
      fault: certificate.renewalFault,
      detail,
      rights,
      profile,
      destinations,
    };
  }
}

function holdView({ kind, text, until, pauseId }: ShownHold): PlanView['hold'] {
  return { kind, text, until: instantOrNull(until), pauseId };
}

function suggestedView(suggested: SuggestedRenewal | null): PlanView['suggested'] {
  return (
    suggested && {
      windowStart: instant(suggested.windowStart),
      windowEnd: instant(suggested.windowEnd),
      at: instant(suggested.suggestedAt),
      explanationUrl: suggested.explanationUrl,
    }
  );
}
