/** What `verifyPath` checks, in the order in which a verdict lists it. */
export const PATH_CHECKS = [
  'trust',
  'signature',
  'validity',
  'encoding',
  'critical-extensions',
  'key-strength',
  'basic-constraints',
  'path-length',
  'key-usage',
  'extended-key-usage',
  'name-constraints',
  'policies',
  'name',
  'conformity',
] as const;
export type PathCheck = (typeof PATH_CHECKS)[number];

/**
 * How much of a certificate must be right. `path`: what RFC 5280 §6 demands of a path. `rfc5280`: also what §4 demands
 * of each certificate. `webpki`: also what the Baseline Requirements of the CA/Browser Forum demand of TLS servers.
 */
export const STRICTNESS = ['path', 'rfc5280', 'webpki'] as const;
export type Strictness = (typeof STRICTNESS)[number];

/** One reason why a path is not valid, or one deviation that is tolerated. */
export interface PathFault {
  check: PathCheck;
  /** Position of the certificate in the path; 0 is the leaf. */
  depth: number;
  detail: string;
  /** Section of the standard, e.g. `RFC 5280 §6.1.3`. */
  source: string;
}

/** A fault before its certificate is known. */
export type Finding = Omit<PathFault, 'depth'>;

export function finding(check: PathCheck, source: string, detail: string): Finding {
  return { check, source, detail };
}
