import { isIP } from 'node:net';
import type { ClaimedName } from '../pki/claimed-names.js';
import { hostMatches, type NamePattern, parseNamePattern } from '../pki/name-pattern.js';
import type { StoredPolicy } from './domain-rule.repository.js';

/** The facts about an authority that decide about names. */
export interface Issuer {
  id: number;
  isPrivate: boolean;
}

/** An authority and its parents: it may not issue what a parent may not issue. */
export interface IssuerInLine extends Issuer {
  above: readonly Issuer[];
}

interface Rule {
  roleId: number | null;
  authorityId: number | null;
  patterns: readonly NamePattern[];
}

/** A snapshot of the domain policy. Each check returns the first name at fault, or null. */
export class RuleBook {
  readonly version: number;
  private readonly sensitive: ReadonlySet<string>;
  private readonly rules: readonly Rule[];
  private readonly allowed: readonly NamePattern[];

  /** `allowed`: the allow-list of the installation; empty allows all names. */
  constructor(stored: StoredPolicy, allowed: readonly string[]) {
    this.version = stored.version;
    this.sensitive = new Set(stored.sensitive);
    this.rules = stored.rules.map((rule) => ({ ...rule, patterns: rule.patterns.map(parseNamePattern) }));
    this.allowed = allowed.map(parseNamePattern);
  }

  /** A name that is sensitive or below a sensitive one, or a wildcard that matches one. */
  firstSensitive(names: readonly ClaimedName[]): ClaimedName | null {
    if (this.sensitive.size === 0) return null;
    return (
      names.find(
        (name) =>
          this.sensitive.has(name.text.toLowerCase()) ||
          (name.ip === undefined ? this.isSensitive(name.host) : this.sensitive.has(name.ip)),
      ) ?? null
    );
  }

  /** Whether rules apply at this authority: at a private one only if a rule names it. */
  judges({ id, isPrivate }: Issuer): boolean {
    return !isPrivate || this.rules.some(({ authorityId }) => authorityId === id);
  }

  /** A name outside the allow-list of the installation. */
  firstNotAllowed(names: readonly ClaimedName[], { isPrivate }: Issuer): ClaimedName | null {
    return isPrivate || this.allowed.length === 0 ? null : outside(this.allowed, names);
  }

  /**
   * A name that no rule grants to these roles at this authority. An authority without rules issues for any name. At a
   * private authority only rules that name it apply. Rules that name an authority also bind the authorities below it
   * that are not private.
   */
  firstNotGranted(names: readonly ClaimedName[], issuer: IssuerInLine, roleIds: readonly number[]): ClaimedName | null {
    const named = issuer.isPrivate
      ? []
      : issuer.above.filter(({ id }) => this.rules.some(({ authorityId }) => authorityId === id));
    return [issuer, ...named].reduce<ClaimedName | null>(
      (found, one) => found ?? this.firstNotGrantedBy(names, one, roleIds),
      null,
    );
  }

  private firstNotGrantedBy(
    names: readonly ClaimedName[],
    issuer: Issuer,
    roleIds: readonly number[],
  ): ClaimedName | null {
    const rules = this.rules.filter(
      ({ authorityId }) => authorityId === issuer.id || (authorityId === null && !issuer.isPrivate),
    );
    if (rules.length === 0) return null;
    return outside(
      rules.filter(({ roleId }) => roleId === null || roleIds.includes(roleId)).flatMap(({ patterns }) => patterns),
      names,
    );
  }

  private isSensitive(host: string): boolean {
    for (let name = host, depth = 0; name !== ''; name = name.slice(name.indexOf('.') + 1), depth += 1) {
      if (this.sensitive.has(name) || (depth > 0 && this.sensitive.has(`*.${name}`))) return true;
      if (!name.includes('.')) break;
    }
    return host.includes('*') && this.matchesSensitive(host.split('.'));
  }

  private matchesSensitive(labels: readonly string[]): boolean {
    for (const name of this.sensitive) if (isIP(name) === 0 && hostMatches(labels, name.split('.'))) return true;
    return false;
  }
}

function outside(patterns: readonly NamePattern[], names: readonly ClaimedName[]): ClaimedName | null {
  return names.find((name) => !patterns.some((pattern) => pattern.covers(name))) ?? null;
}
