import { PluginError } from '../../src/plugin-api/errors.js';
import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { ExtensionOid } from '../../src/pki/extensions.js';
import type { IssuerLimits } from '../../src/pki/lint/lint.js';
import {
  ComparisonBudget,
  constrainedNames,
  constraintViolation,
  type NameConstraints,
  readNameConstraints,
} from '../../src/pki/path/name-constraints.js';

/**
 * What a CA certificate and those above it allow below them together (RFC 5280 §4.2.1.9, §4.2.1.10). `chain`: the CA
 * first. Throws PluginError `misconfigured` for name constraints that cannot be read.
 */
export function limitsOfChain(chain: readonly [ParsedCertificate, ...ParsedCertificate[]]): IssuerLimits {
  const [{ notBefore, notAfter }] = chain;
  const lengths = chain.flatMap(({ pathLength }, above) => (pathLength === undefined ? [] : [pathLength - above]));
  const values = chain.flatMap(({ extensions }) =>
    extensions.filter(({ oid }) => oid === ExtensionOid.nameConstraints),
  );
  return {
    notBefore,
    notAfter,
    ...(lengths.length > 0 && { pathLength: Math.max(0, Math.min(...lengths)) }),
    nameConstraints: values.map(({ valueDer }) => readable(valueDer)),
  };
}

function readable(valueDer: Buffer): NameConstraints {
  try {
    return readNameConstraints(valueDer);
  } catch (error) {
    throw new PluginError('misconfigured', 'The name constraints of this authority cannot be read', undefined, {
      cause: error,
    });
  }
}

/**
 * A sentence for each name of a certificate (its subject, and the value of its SAN extension) that violates the
 * constraints.
 */
export function violations({ nameConstraints }: IssuerLimits, subjectDer: Buffer, sanDer?: Buffer): string[] {
  if (nameConstraints.length === 0) return [];
  const budget = new ComparisonBudget();
  const found = constrainedNames(subjectDer, sanDer).flatMap((name) =>
    nameConstraints.flatMap((constraints) => constraintViolation([name], constraints, budget) ?? []),
  );
  return [...new Set(found)].map((one) => `${one} of the name constraints of this authority or one above it`);
}

/** Throws PluginError `refused` that says which names violate the constraints. */
export function checkNames(limits: IssuerLimits, subjectDer: Buffer, sanDer?: Buffer): void {
  const found = violations(limits, subjectDer, sanDer);
  if (found.length > 0) throw new PluginError('refused', found.join('; '));
}

/** Throws PluginError `refused` when a CA directly below must not have this path length. */
export function checkPathLength(pathLength: number, { pathLength: limit }: IssuerLimits): void {
  if (limit === undefined || pathLength < limit) return;
  throw new PluginError(
    'refused',
    limit === 0
      ? 'The parent allows no CA below it (its path length is 0)'
      : `The path length must be below ${limit}, that of the parent`,
  );
}
