/**
 * Kind of a note on a row of Lemur. `fault`: something is lost and needs a person. `left`: not imported. `changed`:
 * imported with a difference.
 */
export type NoteKind = 'fault' | 'left' | 'changed';

/** `facts`: other facts about a row that is not imported; never a secret. */
export interface Note {
  kind: NoteKind;
  table: string;
  id: number | null;
  name: string;
  text: string;
  facts?: object;
}

/** Number of rows of a table of Lemur, and their outcome. */
export interface TableCounts {
  rows: number;
  imported: number;
  merged: number;
  updated: number;
  unchanged: number;
  left: number;
}

/** A renewal that would have been due at once. */
export interface HeldRenewal {
  name: string;
  notAfter: Date;
  renewsAt: Date;
}

/** Notes kept per text; further ones are only counted. */
const mostAlike = 1000;
/** Renewals listed; further ones are only counted. */
const mostRenewals = 10_000;

/** The outcome of an import or of a part of it. */
export class Report {
  readonly tables = new Map<string, TableCounts>();
  readonly notes: Note[] = [];
  readonly renewals: HeldRenewal[] = [];
  renewalCount = 0;
  /** Number of notes by kind, including notes that are only counted. */
  readonly totals: Record<NoteKind, number> = { fault: 0, left: 0, changed: 0 };
  private readonly alike = new Map<string, number>();

  count(table: string, what: keyof TableCounts, by = 1): void {
    const counts = this.tables.get(table) ?? { rows: 0, imported: 0, merged: 0, updated: 0, unchanged: 0, left: 0 };
    counts[what] += by;
    this.tables.set(table, counts);
  }

  note(note: Note): void {
    this.totals[note.kind] += 1;
    const key = `${note.table}: ${note.text}`;
    const known = this.alike.get(key) ?? 0;
    this.alike.set(key, known + 1);
    if (known < mostAlike) this.notes.push(note);
  }

  hold(renewal: HeldRenewal): void {
    this.renewalCount += 1;
    if (this.renewals.length < mostRenewals) this.renewals.push(renewal);
  }

  /** Adds the outcome of a part after it was stored. */
  add(part: Report): void {
    for (const [table, counts] of part.tables)
      for (const [what, by] of Object.entries(counts) as [keyof TableCounts, number][]) this.count(table, what, by);
    part.notes.forEach((note) => this.note(note));
    part.renewals.forEach((renewal) => this.hold(renewal));
  }

  toJSON(): object {
    const { totals, notes, renewalCount, renewals } = this;
    return { tables: Object.fromEntries(this.tables), totals, notes, renewalCount, renewals };
  }
}
