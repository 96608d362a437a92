import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extendedKeyUsageOid } from '../../src/pki/extensions.js';
import { run, type Said, verdictIn } from './programs.js';

/** By CertPathValidatorException.getReason. */
const verdictsByReason = [
  [/^accepted$/, 'good'],
  [/^EXPIRED/, 'expired'],
  [/^NOT_YET_VALID/, 'not yet valid'],
  [/^REVOKED/, 'revoked'],
  [/^UNDETERMINED_REVOCATION_STATUS/, 'status unknown'],
  [/^INVALID_NAME/, 'name constraints'],
  [/^PATH_TOO_LONG/, 'path length'],
  [/^INVALID_POLICY/, 'policies'],
  [/^UNRECOGNIZED_CRIT_EXT/, 'critical extension'],
  [/^(NOT_CA_CERT|INVALID_KEY_USAGE)/, 'not a CA'],
  [/^INVALID_SIGNATURE/, 'signature'],
  [/^UNSPECIFIED: target certificate constraints check failed/, 'purpose'],
  [/^NO_TRUST_ANCHOR/, 'untrusted'],
] as const;

/** A path for Java's PKIX validator; all in DER. What is not given of CRLs and OCSP answers it fetches itself. */
export interface JavaPath {
  lookUp: 'crl' | 'ocsp';
  policy?: string;
  anchors: readonly Buffer[];
  /** Leaf first, without the anchor; perhaps with the OCSP answer about it, by SHA-1. */
  path: readonly { der: Buffer; ocsp?: Buffer }[];
  /** Other CA certificates. */
  known?: readonly Buffer[];
  crls?: readonly Buffer[];
}

/** What Java says of each path as a server's, in one process. */
export async function javaVerdicts(paths: readonly JavaPath[]): Promise<Said[]> {
  const folder = mkdtempSync(join(tmpdir(), 'java-'));
  try {
    writeFileSync(join(folder, 'paths'), paths.map((path) => `${lineOf(path)}\n`).join(''));
    const text = await run(folder, 'java', [join(__dirname, 'CheckPaths.java'), 'paths']);
    return text
      .trimEnd()
      .split('\n')
      .map((line) => verdictIn(line, verdictsByReason));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function lineOf({ lookUp, policy = '', anchors, path, known = [], crls = [] }: JavaPath): string {
  const field = (kind: string, der: Buffer): string => `${kind}:${der.toString('base64')}`;
  return [
    lookUp,
    extendedKeyUsageOid('serverAuth'),
    policy,
    ...anchors.map((der) => field('a', der)),
    ...path.flatMap(({ der, ocsp }) => [field('c', der), ...(ocsp ? [field('o', ocsp)] : [])]),
    ...crls.map((der) => field('l', der)),
    ...known.map((der) => field('i', der)),
  ].join('\t');
}
