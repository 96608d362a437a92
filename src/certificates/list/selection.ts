import { Conditions } from '../../platform/db/conditions.js';

/** Adds SQL conditions on the certificate `c`. */
export type Term = (where: Conditions) => void;

/** Certificates whose `column` has one of these values. An index on it, or on (`retired`, column, id), finds them. */
export interface ValueSet {
  column: 'c.id' | 'c.issuer' | 'c.authority_id' | 'c.profile_id' | 'c.creator_id' | 'c.spki_sha256' | 'lower(c.owner)';
  values: readonly (string | number)[];
}

/** A lower-case text to find in the names of certificates. */
export interface NameSearch {
  /** For `like`. */
  pattern: string;
  /** True to search the `name` of certificates too, not only common names and SANs. */
  ownNames: boolean;
}

/** A table to join by `certificate_id`; `on` selects at most one of its rows for each certificate. */
export interface Beside {
  table: string;
  alias: string;
  on: string;
  value: number;
}

/** The conditions of a list of certificates, grouped by the kind of index that serves them. */
export class Selection {
  readonly terms: Term[] = [];
  readonly beside: Beside[] = [];
  readonly searches: NameSearch[] = [];
  private readonly groups: (readonly ValueSet[])[] = [];

  constructor(readonly withRetired: boolean) {}

  /** `?` in `sql` is replaced by `value`. */
  add(sql: string, value?: unknown): void {
    this.terms.push((where) => where.add(sql, value));
  }

  /** Selects certificates in at least one of these sets. */
  addEither(valueSets: readonly ValueSet[]): void {
    if (this.groups.length > 0)
      this.terms.push((where) => where.add(`(${valueSets.map((set) => isInSet(where, set)).join(' or ')})`));
    this.groups.push(valueSets);
  }

  /** The union of these sets contains the selection; a certificate can be in several. Empty: not limited by sets. */
  get valueSets(): readonly ValueSet[] {
    return this.groups[0] ?? [];
  }

  /** True if there is no condition. */
  get isEverything(): boolean {
    return [this.terms, this.beside, this.searches, this.groups].every((part) => part.length === 0);
  }

  /** The conditions of the partial indexes to read: shown certificates and, on request, retired ones. */
  get partitions(): readonly string[] {
    return this.withRetired ? ['not c.retired', 'c.retired and c.deleted_at is null'] : ['not c.retired'];
  }
}

/** The condition that a certificate is in a set. */
export function isInSet(where: Conditions, { column, values }: ValueSet): string {
  return `${column} = any(${where.bind(values)})`;
}
