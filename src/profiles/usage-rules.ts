import { extendedKeyUsageName } from '../pki/extensions.js';
import type { KeyUsage } from '../plugin-api/terms.js';
import type { Asked, Judged, Violation } from './asked-terms.js';
import type { ProfileRules } from './profile-rules.schema.js';

// Rules on key usage (RFC 5280 §4.2.1.3) and extended key usage (§4.2.1.12). Pure functions.

/** The kinds of keys that can have a usage. A usage without an entry fits every key. */
const keysOfUsage: Partial<Record<KeyUsage, { kind: RegExp; text: string }>> = {
  keyEncipherment: { kind: /^RSA/, text: 'an RSA key' },
  dataEncipherment: { kind: /^RSA/, text: 'an RSA key' },
  keyAgreement: { kind: /^EC/, text: 'an EC key' },
  encipherOnly: { kind: /^EC/, text: 'an EC key' },
  decipherOnly: { kind: /^EC/, text: 'an EC key' },
};

/** Whether a key of this type can be used so. */
export function fits(usage: KeyUsage, keyType: string): boolean {
  return keysOfUsage[usage]?.kind.test(keyType) ?? true;
}

/** The usages of `always` that fit the key, and the requested ones that the profile allows. */
export function judgeKeyUsage({ keyUsage }: ProfileRules, asked: Asked): Judged<readonly KeyUsage[]> {
  const { terms, implied, keyType } = asked;
  if (!keyUsage) return { value: terms.keyUsage, violations: [] };
  const field = fieldOf(asked, 'keyUsage');
  const requested = implied.keyUsage ? [] : terms.keyUsage;
  const allowed: readonly KeyUsage[] = [...keyUsage.always, ...keyUsage.onRequest];
  const unfit = requested.filter((usage) => !fits(usage, keyType));
  const value = distinct([...keyUsage.always.filter((usage) => fits(usage, keyType)), ...requested]);
  const violations = [
    ...refused(requested, allowed, field, 'key usage', String),
    ...unfit.map((usage) => ({ field, text: `The key usage ${usage} needs ${keysOfUsage[usage]?.text}.` })),
    ...(value.length === 0 && allowed.length > 0
      ? [{ field: asked.fromCsr ? 'csr' : 'keyType', text: `A ${keyType} key has none of its key usages.` }]
      : []),
    ...(value.some((usage) => usage === 'encipherOnly' || usage === 'decipherOnly') && !value.includes('keyAgreement')
      ? [{ field, text: 'encipherOnly and decipherOnly need keyAgreement.' }]
      : []),
  ];
  return { value, violations };
}

/** The usages of `always`, and the requested ones that the profile allows; as OIDs. */
export function judgeExtendedKeyUsage({ extendedKeyUsage }: ProfileRules, asked: Asked): Judged<readonly string[]> {
  const { terms, implied } = asked;
  if (!extendedKeyUsage) return { value: terms.extendedKeyUsage, violations: [] };
  const requested = implied.extendedKeyUsage ? [] : terms.extendedKeyUsage;
  const allowed = [...extendedKeyUsage.always, ...extendedKeyUsage.onRequest];
  const field = fieldOf(asked, 'extendedKeyUsage');
  return {
    value: distinct([...extendedKeyUsage.always, ...requested]),
    violations: refused(requested, allowed, field, 'extended key usage', extendedKeyUsageName),
  };
}

function refused<T extends string>(
  requested: readonly T[],
  allowed: readonly T[],
  field: string,
  what: string,
  wordOf: (one: T) => string,
): Violation[] {
  return requested
    .filter((one) => !allowed.includes(one))
    .map((one) => ({ field, text: `The ${what} ${wordOf(one)} is not allowed.` }));
}

function fieldOf({ fromCsr }: Asked, member: string): string {
  return fromCsr ? 'csr' : `extensions.${member}`;
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}
