import { publicTlsMaxDays } from '../pki/public-tls.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { isAdmin } from '../roles/permission.js';
import type { Authority } from './authority.entity.js';

/**
 * What an authority and all authorities above it allow together: the most days, null for any number, and whether the
 * limits of publicly trusted TLS apply.
 */
export interface Limits {
  maxDays: number | null;
  publicTls: boolean;
}

/** The longest validity of a certificate: `days` for texts, `longestMs` from notBefore to notAfter. */
export interface IssuanceCap {
  days: number;
  /** Who sets it, for texts. Default: the authority. */
  by?: string;
  longestMs: number;
}

const dayMs = 86_400_000;

/** The tighter of the limits at that date: their days, or those of publicly trusted TLS. Null without a limit. */
export function issuanceCap({ maxDays, publicTls }: Limits, issuedAt: Date): IssuanceCap | null {
  const own = maxDays === null ? null : { days: maxDays, longestMs: maxDays * dayMs };
  if (!publicTls) return own;
  const days = publicTlsMaxDays(issuedAt);
  const dated = { days, longestMs: days * dayMs - 1000 };
  return own && own.longestMs < dated.longestMs ? own : dated;
}

type Own = Pick<Authority, 'maxValidityDays' | 'isCabCompliant'>;
type Bound = Own & Pick<Authority, 'isPrivate' | 'active' | 'allowedProfileIds'>;

/** Whether a change of a member loosens a limit, or is for administrators to decide. */
const isAdministrative: { readonly [Member in keyof Bound]: (before: Bound[Member], after: Bound[Member]) => boolean } =
  {
    maxValidityDays: (before, after) => (after ?? Infinity) > (before ?? Infinity),
    isCabCompliant: (before, after) => before === true && after !== true,
    isPrivate: (before, after) => before !== after,
    active: (before, after) => !before && after,
    allowedProfileIds: (before, after) =>
      before.length > 0 && (after.length === 0 || after.some((id) => !before.includes(id))),
  };

/** An owner tightens limits; only an administrator loosens them. Throws Problem `forbidden` that names the members. */
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
 * An authority allows no more than the authorities above it. A value that stays the same passes, so that an authority
 * can be changed after the ones above it were tightened. Throws Problem `invalid-request`.
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
