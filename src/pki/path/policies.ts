import { DerError, DerReader } from '../der/reader.js';

export const ANY_POLICY = '2.5.29.32.0';

/** The policy extensions of one certificate (RFC 5280 §4.2.1.4, .5, .11, .14). */
export interface PolicyFacts {
  /** OIDs; undefined without the extension. */
  policies?: readonly string[];
  mappings: readonly { issuer: string; subject: string }[];
  requireExplicit?: number;
  inhibitMapping?: number;
  inhibitAny?: number;
}

/** Throws DerError, also for a repeated policy. */
export function readPolicies(valueDer: Buffer): string[] {
  const policies: string[] = [];
  for (const reader = DerReader.enter(valueDer); reader.more;) {
    const information = reader.enter();
    policies.push(information.oid());
    if (information.more) information.enter();
    information.end();
  }
  if (policies.length === 0 || new Set(policies).size < policies.length)
    throw new DerError('The certificate policies are empty or repeated');
  return policies;
}

/** Throws DerError, also for a mapping from or to anyPolicy (RFC 5280 §6.1.4 (a)). */
export function readPolicyMappings(valueDer: Buffer): { issuer: string; subject: string }[] {
  const mappings: { issuer: string; subject: string }[] = [];
  for (const reader = DerReader.enter(valueDer); reader.more;) {
    const pair = reader.enter();
    const mapping = { issuer: pair.oid(), subject: pair.oid() };
    pair.end();
    if (mapping.issuer === ANY_POLICY || mapping.subject === ANY_POLICY) throw new DerError('anyPolicy is mapped');
    mappings.push(mapping);
  }
  return mappings;
}

/** Throws DerError. */
export function readPolicyConstraints(valueDer: Buffer): Pick<PolicyFacts, 'requireExplicit' | 'inhibitMapping'> {
  const reader = DerReader.enter(valueDer);
  const requireExplicit = reader.peek() === 0x80 ? reader.smallInteger(0x80) : undefined;
  const inhibitMapping = reader.peek() === 0x81 ? reader.smallInteger(0x81) : undefined;
  reader.end();
  if (requireExplicit === undefined && inhibitMapping === undefined) throw new DerError('Empty policy constraints');
  return { requireExplicit, inhibitMapping };
}

/** Throws DerError. */
export function readInhibitAnyPolicy(valueDer: Buffer): number {
  const reader = DerReader.over(valueDer);
  const certificates = reader.smallInteger();
  reader.end();
  return certificates;
}

/** Policies that the caller accepts, and whether one is needed although no certificate demands it. */
export interface WantedPolicies {
  /** OIDs; absent: any. */
  accepted?: readonly string[];
  required?: boolean;
}

/** A policy that is valid at one level of the graph. */
interface Node {
  /** The policies that the next certificate may name for it. */
  expected: ReadonlySet<string>;
  /** What it is called in the first domain: there the caller's policies are compared. */
  roots: ReadonlySet<string>;
}

type Level = ReadonlyMap<string, Node>;

/**
 * Policy processing of RFC 5280 §6.1.2 to §6.1.5 with the graph of RFC 9618, of which one level at a time is kept: its
 * size is bounded by the policies of one certificate. `chain` has the certificate below the trust anchor first and the
 * leaf last. Returns the index of the certificate at which no acceptable policy is left, or null.
 */
export function policyFault(
  chain: readonly (PolicyFacts & { selfIssued: boolean })[],
  wanted: WantedPolicies,
): number | null {
  let level: Level = new Map([[ANY_POLICY, { expected: new Set([ANY_POLICY]), roots: new Set([ANY_POLICY]) }]]);
  const never = chain.length + 1;
  let left = { explicit: wanted.required ? 0 : never, mapping: never, any: never };
  for (const [at, facts] of chain.entries()) {
    const isLast = at === chain.length - 1;
    const takesAny = left.any > 0 || (!isLast && facts.selfIssued);
    level = facts.policies ? nextLevel(level, facts.policies, takesAny) : new Map();
    if (left.explicit === 0 && level.size === 0) return at;
    if (!isLast) level = mapped(level, facts.mappings, left.mapping > 0);
    left = counted(left, facts, isLast);
  }
  return left.explicit > 0 || isAccepted(level, wanted.accepted) ? null : chain.length - 1;
}

type Counters = Record<'explicit' | 'mapping' | 'any', number>;

/** RFC 5280 §6.1.4 (h) to (j), and §6.1.5 (a) and (b) for the last one. */
function counted({ explicit, mapping, any }: Counters, facts: PolicyFacts & { selfIssued: boolean }, isLast: boolean) {
  const step = facts.selfIssued && !isLast ? 0 : 1;
  const least = (left: number, limit = Infinity) => Math.min(Math.max(left - step, 0), limit);
  if (isLast) return { explicit: facts.requireExplicit === 0 ? 0 : least(explicit), mapping, any };
  return {
    explicit: least(explicit, facts.requireExplicit),
    mapping: least(mapping, facts.inhibitMapping),
    any: least(any, facts.inhibitAny),
  };
}

/** RFC 9618 §5.1: the policies of this certificate that continue those of the level above. */
function nextLevel(above: Level, policies: readonly string[], takesAny: boolean): Level {
  const level = new Map<string, Node>();
  const byExpected = parentsByExpected(above);
  const viaAny = above.get(ANY_POLICY);
  const add = (policy: string, parents: readonly (readonly [string, Node])[]): void => {
    // Below anyPolicy a policy belongs to the first domain under its own name.
    const roots = parents.flatMap(([name, node]) => (name === ANY_POLICY ? [policy] : [...node.roots]));
    level.set(policy, { expected: new Set([policy]), roots: new Set(roots) });
  };
  for (const policy of policies.filter((one) => one !== ANY_POLICY)) {
    const parents = byExpected.get(policy) ?? (viaAny ? [[ANY_POLICY, viaAny] as const] : []);
    if (parents.length > 0) add(policy, parents);
  }
  if (!takesAny || !policies.includes(ANY_POLICY)) return level;
  for (const [expected, parents] of byExpected) if (!level.has(expected)) add(expected, parents);
  return level;
}

function parentsByExpected(above: Level): Map<string, (readonly [string, Node])[]> {
  const parents = new Map<string, (readonly [string, Node])[]>();
  for (const entry of above) {
    for (const expected of entry[1].expected) parents.set(expected, [...(parents.get(expected) ?? []), entry]);
  }
  return parents;
}

/** RFC 5280 §6.1.4 (b). */
function mapped(level: Level, mappings: PolicyFacts['mappings'], isAllowed: boolean): Level {
  const after = new Map(level);
  const viaAny = level.has(ANY_POLICY);
  const targets = new Map<string, string[]>();
  for (const { issuer, subject } of mappings) targets.set(issuer, [...(targets.get(issuer) ?? []), subject]);
  for (const [issuer, subjects] of targets) {
    const roots = level.get(issuer)?.roots ?? (viaAny ? new Set([issuer]) : undefined);
    if (!isAllowed) after.delete(issuer);
    else if (roots) after.set(issuer, { expected: new Set(subjects), roots });
  }
  return after;
}

/** RFC 5280 §6.1.5 (g). */
function isAccepted(level: Level, accepted: readonly string[] | undefined): boolean {
  if (!accepted || accepted.includes(ANY_POLICY)) return level.size > 0;
  return [...level.values()].some(({ roots }) => roots.has(ANY_POLICY) || accepted.some((policy) => roots.has(policy)));
}
