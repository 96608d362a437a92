import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { isAdmin } from '../roles/permission.js';
import type { Authority } from './authority.entity.js';

/**
 * What an authority and all above it together allow: the most days, null for any number, and whether the limits of
 * publicly trusted TLS hold.
 */
export interface Limits {
  maxDays: number | null;
  publicTls: boolean;
}

type Own = Pick<Authority, 'maxValidityDays' | 'isCabCompliant'>;
type Bound = Own & Pick<Authority, 'isPrivate' | 'active'>;

/**
 * Whether a change of a member frees the authority from what binds it, or takes a decision about that from
 * administrators.
 */
const isAdministrative: { readonly [Member in keyof Bound]: (before: Bound[Member], after: Bound[Member]) => boolean } =
  {
    maxValidityDays: (before, after) => (after ?? Infinity) > (before ?? Infinity),
    isCabCompliant: (before, after) => before === true && after !== true,
    isPrivate: (before, after) => before !== after,
    active: (before, after) => !before && after,
  };

/**
 * An owner may tighten what binds an authority; to loosen it takes an administrator. Throws Problem `forbidden` that
 * names the members.
 */
export function demandNoLooser(actor: Actor, before: Bound, after: Bound): void {
  if (isAdmin(actor)) return;
  const changed = <Member extends keyof Bound>(member: Member): boolean =>
    isAdministrative[member](before[member], after[member]);
  const members = (Object.keys(isAdministrative) as (keyof Bound)[]).filter((member) => changed(member));
  if (members.length > 0)
    throw new Problem(
      'forbidden',
      `Only an administrator changes in this way what binds an authority: ${members.join(', ')}.`,
    );
}

/**
 * A CA does not promise more than those above it allow. What it said before they were tightened may stay. Throws
 * Problem `invalid-request`.
 */
export function demandWithin(above: Limits, asked: Partial<Own>, before: Partial<Own> = {}): void {
  const { maxValidityDays: days, isCabCompliant } = asked;
  const most = above.maxDays ?? Infinity;
  if (days !== undefined && days !== before.maxValidityDays && (days ?? Infinity) > most) {
    throw invalid(
      'maxValidityDays',
      `The authorities above it issue for at most ${most} days, and so do those below them.`,
    );
  }
  if (
    above.publicTls &&
    isCabCompliant !== undefined &&
    isCabCompliant !== before.isCabCompliant &&
    isCabCompliant !== true
  ) {
    throw invalid(
      'isCabCompliant',
      'An authority above it keeps to the limits of publicly trusted TLS, and so do those below it.',
    );
  }
}
