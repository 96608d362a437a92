/**
 * What a note says of a row of Lemur's. `fault`: something of it is lost, and someone must see to it. `left`: it is of
 * a kind that is not taken over. `changed`: it is here, but not just as it was there.
 */
export type NoteKind = 'fault' | 'left' | 'changed';

/** `facts`: what else is known of a row that is not taken over; never a secret. */
export interface Note {
  kind: NoteKind;
  table: string;
  id: number | null;
  name: string;
  text: string;
  facts?: object;
}

/** How many rows of a table of Lemur's there are, and what becomes of them. */
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

/** So many notes of one text are kept; the others are counted. */
const mostAlike = 1000;
/** So many renewals are listed; the others are counted. */
const mostRenewals = 10_000;

/** What an import, or a part of one, came to. */
export class Report {
  readonly tables = new Map<string, TableCounts>();
  readonly notes: Note[] = [];
  readonly renewals: HeldRenewal[] = [];
  renewalCount = 0;
  /** How many notes there are of each kind, those that are not kept included. */
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

  /** Adds what a part came to, once that is stored. */
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
