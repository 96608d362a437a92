import { Conditions } from '../../platform/db/conditions.js';

/** Adds conditions on the certificate `c`. */
export type Term = (where: Conditions) => void;

/**
 * Certificates whose `column` is one of these values. An index begins with `retired` and the column, and goes on with
 * the id.
 */
export interface Lane {
  column: 'c.issuer' | 'c.authority_id' | 'c.creator_id' | 'lower(c.owner)';
  values: readonly (string | number)[];
}

/** A word, in lower case, in the names of certificates. */
export interface NameSearch {
  /** For `like`. */
  pattern: string;
  /** Whether the names that people gave to certificates count too, beside common names and SANs. */
  ownNames: boolean;
}

/** A table beside certificates with one row for each that is wanted: `on` says which rows. */
export interface Beside {
  table: string;
  alias: string;
  on: string;
  value: number;
}

/** Which certificates a list holds, taken apart into what can be read by different indexes. */
export class Selection {
  readonly terms: Term[] = [];
  readonly beside: Beside[] = [];
  readonly searches: NameSearch[] = [];
  private readonly groups: (readonly Lane[])[] = [];

  constructor(readonly withRetired: boolean) {}

  /** `?` stands for `value`. */
  add(sql: string, value?: unknown): void {
    this.terms.push((where) => where.add(sql, value));
  }

  /** Those in at least one of these lanes. */
  addEither(lanes: readonly Lane[]): void {
    if (this.groups.length > 0)
      this.terms.push((where) => where.add(`(${lanes.map((lane) => inLane(where, lane)).join(' or ')})`));
    this.groups.push(lanes);
  }

  /** Lanes that hold the selection between them; a certificate can be in several. None when it is not in lanes. */
  get lanes(): readonly Lane[] {
    return this.groups[0] ?? [];
  }

  /** True when it holds everything that lists show. */
  get isEverything(): boolean {
    return [this.terms, this.beside, this.searches, this.groups].every((part) => part.length === 0);
  }

  /** Each with an index of its own: what lists show, and what they show only when asked. */
  get shelves(): readonly string[] {
    return this.withRetired ? ['not c.retired', 'c.retired and c.deleted_at is null'] : ['not c.retired'];
  }
}

/** The condition that a certificate is in a lane. */
export function inLane(where: Conditions, { column, values }: Lane): string {
  return `${column} = any(${where.bind(values)})`;
}
