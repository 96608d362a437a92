import { Injectable } from '@nestjs/common';
import { Authorities, demandActive, type LoadedAuthority } from '../../authorities/authorities.js';
import { canMakeKey } from '../../pki/key.js';
import { Database } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Reference } from '../../platform/http/reference.js';
import { nothingImplied } from '../../profiles/asked-terms.js';
import { obstacleTexts } from '../../rotation/due.js';
import type { Certificate } from '../certificate.entity.js';
import { type Links, linksOfMany } from '../certificate-links.js';
import { Approval } from '../issue/approval.js';
import type { IssueCommand } from '../issue/issue-command.js';
import { IssueService } from '../issue/issue.service.js';
import { nameOf } from '../issue/issuing.js';
import type { Validity } from '../issue/validity.js';
import type { Renewal } from '../successors.js';
import { loadTerms, type TermsWithoutDates } from '../terms.js';

/** What a successor is to have in another way than its predecessor. */
export interface SuccessorWishes {
  profile?: Reference;
  /** Another authority; whoever renews needs the right to use it. */
  authorityId?: number;
  /** The type of its new key. Its key usages follow from it. */
  keyType?: string;
}

/** How a user wants a renewal: `notify`, `why` and `also` are those of Renewal. */
export interface RenewalWishes extends SuccessorWishes, Pick<Renewal, 'notify' | 'why' | 'also'> {}

/** Renews a certificate: requests its successor with the same properties and destinations and a new key. */
@Injectable()
export class Renewing {
  private readonly links = new Gathered<number, Links | undefined>(async (ids) => {
    const found = await linksOfMany(this.db.single, ids);
    return ids.map((id) => found.get(id));
  });

  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly approval: Approval,
    private readonly issues: IssueService,
  ) {}

  /**
   * Returns the id of the successor. Throws Problem `conflict` when there is a successor already, `forbidden` when the
   * names are no longer allowed, PluginError when the issuer refuses, and StalePredecessor.
   */
  async renew(actor: Actor, old: Certificate, wishes: RenewalWishes = { notify: true }): Promise<number> {
    return (await this.issues.issue(await this.commandFor(actor, old, wishes))).id;
  }

  /**
   * What the successor would contain if it were requested at `asOf` (default: now). Throws as `renew`, but asks no
   * issuer and stores nothing.
   */
  async outline(
    actor: Actor,
    old: Certificate,
    wishes: SuccessorWishes = {},
    asOf?: Date,
  ): Promise<{ authority: LoadedAuthority['authority']; terms: TermsWithoutDates; validity: Validity; name: string }> {
    const command = await this.commandFor(actor, old, { ...wishes, notify: false });
    const loaded = await this.authorities.get(authorityOf(old, wishes));
    const { authority } = loaded;
    demandActive(authority);
    const approved = await this.approval.of({ ...command, asOf }, loaded);
    return { authority, terms: approved.terms, validity: approved.validity, name: nameOf(command, approved) };
  }

  private async linksOf({ id, name }: Certificate): Promise<Links> {
    const links = await this.links.run(id);
    if (!links) throw new Problem('not-found', `Certificate ${name} does not exist any more.`);
    return links;
  }

  private async commandFor(actor: Actor, old: Certificate, wishes: RenewalWishes): Promise<IssueCommand> {
    const { profile, why, notify, also } = wishes;
    const { owner, labels, vouchingRole, notify: watched, rotation } = old;
    return {
      owner,
      labels,
      vouchingRole,
      notify: watched,
      rotation,
      actor,
      authority: { id: authorityOf(old, wishes) },
      profile,
      terms: loadTerms(old.terms),
      implied: () => nothingImplied,
      key: { keyType: wishes.keyType ?? old.keyType },
      validity: {},
      issuerExtensions: [],
      description: `Renewal of ${old.name}.${why === undefined ? '' : ` ${why}`}`,
      creatorId: old.creatorId,
      links: {},
      renews: { old, links: await this.linksOf(old), notify, why, also },
    };
  }
}

/**
 * The authority that renews it. Throws Problem `conflict` when there is none, or when its key type cannot be generated.
 */
function authorityOf({ name, ...old }: Certificate, wishes: SuccessorWishes): number {
  const authorityId = wishes.authorityId ?? old.authorityId;
  const refusal = (why: string): Problem => new Problem('conflict', `${name} cannot be renewed. ${why}`);
  if (!canMakeKey(wishes.keyType ?? old.keyType)) throw refusal(obstacleTexts.keyType);
  if (authorityId === null) throw refusal(obstacleTexts.noIssuer);
  return authorityId;
}
