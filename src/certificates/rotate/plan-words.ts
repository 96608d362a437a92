import { instant } from '../../platform/http/instant.js';
import { type RenewalObstacle, wordsOfEmergency } from '../../rotation/due.js';
import type { ReplacementOf } from '../runs/run.repository.js';
import type { ShownHold } from './plan-holds.js';

/**
 * What is known of the use of a certificate outside: `servedAt` are the first of the endpoints that serve it, and
 * `seenAt` is when the last scan of them has seen one; null without endpoints.
 */
export interface CertificateUseSeen {
  hasKey: boolean;
  endpoints: number;
  servedAt: readonly string[];
  seenAt: Date | null;
}

/** What the explanation of a plan is made of. */
export interface PlanParts {
  text: string;
  at: Date | null;
  obstacle: RenewalObstacle | undefined;
  hold: Pick<ShownHold, 'text' | 'emergency'> | null;
  authority: { name: string; active: boolean } | null;
  keyType: string;
  destinations: readonly { label: string }[];
  use: CertificateUseSeen;
  attempts: number;
  detail: string | null;
  rights: { allowed: boolean; text: string } | null;
  /** Why the renewal would fail, by what is known now. */
  refusal: string | null;
}

/** What a person can do about an obstacle. */
const remedies: Partial<Record<RenewalObstacle, string>> = {
  'rotation-off': 'Switch rotation on (`PUT /certificates/{id}` with `"rotation": true`), or renew it by hand.',
  'no-issuer':
    'Name the authority that issued it (`POST /certificates/{id}/adopt`), ' +
    'or request a certificate from another authority that names this one in `replaces`.',
  'key-type': 'Request a certificate with another key type that names this one in `replaces`.',
  revoked: 'If it is still in use, request a certificate that names this one in `replaces`.',
  deleted: 'Restore it, if it is still in use.',
  superseded: 'If its successor has no destination, install the successor by hand.',
};

/** The obstacles of certificates that nothing should serve any more. */
const ended: readonly RenewalObstacle[] = ['superseded', 'revoked', 'deleted'];

/** What will happen and why, a sentence for each fact, in the order in which things happen. */
export function explanationOf(parts: PlanParts): string[] {
  const { text, at, hold, authority, keyType, destinations, refusal } = parts;
  if (at === null) return [text];
  const sentences = [text];
  if (hold) sentences.push(hold.text);
  if (hold?.emergency) {
    const { at: from, cause } = hold.emergency;
    sentences.push(`From ${instant(from)} on nothing holds it any more: ${wordsOfEmergency[cause]} then.`);
  }
  if (refusal !== null) return [...sentences, `As things are, it fails: ${refusal}`];
  if (authority) sentences.push(`${authority.name} issues its successor, with a new ${keyType} key.`);
  const labels = destinations.map(({ label }) => label).join(', ');
  sentences.push(
    destinations.length > 0
      ? `The successor is delivered to ${labels}. This certificate is superseded when it has arrived everywhere.`
      : 'Nothing delivers the successor: it has no destination.',
  );
  return sentences;
}

/** What a replacement run has to do with the certificate `id`, in one sentence with its reason. */
export function wordsOfReplacement(found: ReplacementOf, id: number): string {
  const { runId, runState, reason, state, certificateId, successorId, problemDetail } = found;
  const run = `Replacement run ${runId}`;
  const why = `(${reason})`;
  if (successorId === id) return `${run} requested it in place of certificate ${certificateId} ${why}.`;
  if (state === 'done') return `${run} requested its successor ${why}.`;
  if (state === 'failed') return `${run} could not replace it ${why}: ${problemDetail ?? 'no detail'}`;
  const when = runState === 'paused' ? 'replaces it once the run is resumed' : 'is to replace it';
  return `${run} ${when} ${why}.${problemDetail === null ? '' : ` ${problemDetail}`}`;
}

/** What stands in the way, or will, and what a person can do about it. */
export function remediesOf(parts: PlanParts): string[] {
  const { at, obstacle, authority, destinations, attempts, detail, rights, refusal } = parts;
  const found: string[] = [];
  const remedy = obstacle && remedies[obstacle];
  if (remedy) found.push(remedy);
  if (obstacle && ended.includes(obstacle)) found.push(...stillServed(parts.use));
  if (authority && !authority.active)
    found.push(`${authority.name} is inactive and issues nothing. Activate it, or use another authority.`);
  // Without an active authority nobody has the right; the remedy for that stands above.
  else if (authority && rights && !rights.allowed)
    found.push(`${rights.text} Somebody with the right can accept or reissue it.`);
  else if (refusal !== null) found.push(`As things are, its renewal fails: ${refusal}`);
  if (attempts > 0)
    found.push(`${attempts === 1 ? 'One attempt' : `${attempts} attempts in a row`} failed: ${detail ?? 'no detail'}`);
  if (at !== null && destinations.length === 0) found.push(...byHand(parts.use));
  return found;
}

/** Where it is served although it should not be any more. */
function stillServed(use: CertificateUseSeen): string[] {
  return use.seenAt === null ? [] : [`It is still served at ${placesOf(use)}, as of ${instant(use.seenAt)}.`];
}

function placesOf({ endpoints, servedAt }: CertificateUseSeen): string {
  return servedAt.join(', ') + (endpoints > servedAt.length ? ' and elsewhere' : '');
}

function byHand(use: CertificateUseSeen): string[] {
  const { hasKey, endpoints } = use;
  const where = endpoints === 0 ? '' : ` at ${placesOf(use)}`;
  return [
    ...(hasKey ? [] : ['Its private key is not here. Each successor gets a new private key, which is kept here.']),
    `Give it a destination, or install each successor by hand${where}.`,
  ];
}
