import type { ParsedCertificate } from '../certificate.js';
import { PathSearch } from './build-paths.js';
import type { PathFault } from './faults.js';
import { ComparisonBudget } from './name-constraints.js';
import { pathCertificate } from './path-certificate.js';
import { type PathDemands, type PathFindings, validatePath } from './validate-path.js';

/** The certificates among which a path is looked for, in any order. */
export interface PathInput {
  leaf: ParsedCertificate;
  intermediates: readonly ParsedCertificate[];
  /** What is trusted: roots or any other CA certificates, or the leaf itself. */
  anchors: readonly ParsedCertificate[];
}

/** `path` is leaf first and ends at the anchor; without a valid one it is the most hopeful that was found. */
export interface PathVerdict extends PathFindings {
  valid: boolean;
  path: ParsedCertificate[];
}

/** Enough for cross-signed CAs; each path costs the checks of all its certificates. */
const MOST_PATHS = 20;

/**
 * Looks for a path from the leaf to an anchor and validates it (RFC 5280 §6). The first valid path counts; without one
 * the faults of the best are told. Never throws for a certificate that could be parsed, and its work is bounded.
 */
export async function verifyPath(
  { leaf, intermediates, anchors }: PathInput,
  demands: PathDemands,
): Promise<PathVerdict> {
  const read = (list: readonly ParsedCertificate[]) => distinct(list).map((one) => pathCertificate(one));
  const search = new PathSearch({
    leaf: pathCertificate(leaf),
    intermediates: read(intermediates),
    anchors: read(anchors),
  });
  const budget = new ComparisonBudget();
  let best: PathVerdict | undefined;
  let tried = 0;
  for await (const path of search.paths()) {
    const findings = validatePath(path, demands, budget);
    const verdict = {
      ...findings,
      valid: findings.faults.length === 0,
      path: path.map(({ certificate }) => certificate),
    };
    if (verdict.valid) return verdict;
    if (!best || verdict.faults.length < best.faults.length) best = verdict;
    tried += 1;
    if (tried >= MOST_PATHS) break;
  }
  return best ?? untrusted(search, demands, budget);
}

/** Without an anchor, the rest of the checks are made all the same, so that all faults are told at once. */
function untrusted({ deadEnd }: PathSearch, demands: PathDemands, budget: ComparisonBudget): PathVerdict {
  const { path, detail, isSignature } = deadEnd;
  const { faults, warnings } = validatePath(path, demands, budget);
  const fault: PathFault = isSignature
    ? { check: 'signature', depth: path.length - 1, source: 'RFC 5280 §6.1.3 (a)', detail }
    : { check: 'trust', depth: path.length - 1, source: 'RFC 5280 §6.1', detail };
  return { valid: false, path: path.map(({ certificate }) => certificate), faults: [fault, ...faults], warnings };
}

function distinct(certificates: readonly ParsedCertificate[]): ParsedCertificate[] {
  return [...new Map(certificates.map((one) => [one.fingerprintSha256, one])).values()];
}
