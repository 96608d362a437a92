import type { ParsedCertificate } from '../../pki/certificate.js';
import { PATH_CHECKS, type PathFault } from '../../pki/path/faults.js';
import { toPem } from '../../pki/pem.js';
import { instant } from '../../platform/http/instant.js';
import type { RevocationFacts } from '../../revocation/verify/revocation-check.js';
import type { Verified } from '../../revocation/verify/verification.js';
import type { CheckedStatus } from './revocation-check.repository.js';
import type { VerifyView } from './verify.schema.js';

/** The response to a verification. `wasAsked`: whether revocation was to be checked. */
export function verifyView(verified: Verified, wasAsked: boolean): VerifyView {
  const { path, faults, warnings, revocation } = verified;
  return {
    ...verdictOf(verified, wasAsked),
    path: path.map(certificateView),
    checks: PATH_CHECKS.map((check) => {
      const own = faults.filter((fault) => fault.check === check).map(faultView);
      return { check, passed: own.length === 0, faults: own };
    }),
    warnings: warnings.map(faultView),
    revocation: revocation.map((facts, certificate) => ({
      certificate,
      status: checkedStatus(facts),
      why: facts.why,
      source: facts.source,
      revokedAt: facts.status === 'revoked' ? instant(facts.revokedAt) : null,
      reason: facts.status === 'revoked' ? (facts.reason ?? null) : null,
    })),
  };
}

/** In Lemur's words. */
export function checkedStatus({ status }: RevocationFacts): CheckedStatus {
  return status === 'good' ? 'valid' : status;
}

function verdictOf(
  { valid, faults, path, revocation }: Verified,
  wasAsked: boolean,
): Pick<VerifyView, 'verdict' | 'why'> {
  const name = (depth: number): string => path[depth]?.subject || 'the certificate';
  const [fault] = faults;
  if (!valid)
    return { verdict: 'invalid', why: fault ? `${fault.detail} (${name(fault.depth)})` : 'No path was found' };
  for (const status of ['revoked', 'unknown'] as const) {
    const depth = revocation.findIndex((facts) => facts.status === status);
    if (depth >= 0) return { verdict: status, why: `${revocation[depth]?.why} (${name(depth)})` };
  }
  const rest = wasAsked ? 'and nothing on it is revoked' : 'and revocation was not checked';
  return { verdict: 'valid', why: `The path to ${name(path.length - 1)} is valid, ${rest}` };
}

function certificateView(one: ParsedCertificate): VerifyView['path'][number] {
  return {
    subject: one.subject,
    issuer: one.issuer,
    serial: one.serialDecimal,
    fingerprint: one.fingerprintSha256,
    notBefore: instant(one.notBefore),
    notAfter: instant(one.notAfter),
    body: toPem('CERTIFICATE', one.der),
  };
}

function faultView({ depth, detail, source }: PathFault): VerifyView['warnings'][number] {
  return { certificate: depth, detail, source };
}
