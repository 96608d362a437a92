import { createHash } from 'node:crypto';
import type { Abstract, Type } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Fernet } from './fernet.js';
import { type LegacyKind, LegacyRepository } from './legacy.repository.js';
import type { LemurDatabase } from './lemur-database.js';
import { Report } from './report.js';

/** Resolves a service of the program by its class. */
export type Get = <T>(service: Type<T> | Abstract<T>) => T;

/** The collaborators of an import. `advance` receives the number of finished certificates. */
export interface RunParts {
  lemur: LemurDatabase;
  fernet: Fernet;
  get: Get;
  actor: Actor;
  now: Date;
  /** One transaction; in a dry run all share one that is rolled back. */
  write: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  advance: (certificates: number) => void;
}

/** One transaction of an import, with its outcome. */
export interface Step {
  tx: Tx;
  report: Report;
}

/** One imported row, for the audit log. */
export interface Taken {
  legacyId: number;
  id: number;
  name: string;
  digest?: string;
}

/** An import in progress. */
export class Run {
  readonly report = new Report();
  readonly legacy = new LegacyRepository();

  constructor(readonly parts: RunParts) {}

  /** Runs work that is stored as a whole or not at all, and may be repeated. */
  async step<T>(work: (step: Step) => Promise<T>): Promise<T> {
    const [result, report] = await this.parts.write(async (tx) => {
      const step = { tx, report: new Report() };
      return [await work(step), step.report] as const;
    });
    this.report.add(report);
    return result;
  }

  /** Records imported rows in `legacy_row` and in the audit log. */
  async remember({ tx }: Step, kind: LegacyKind, taken: readonly Taken[]): Promise<void> {
    const { actor, get } = this.parts;
    await this.legacy.remember(
      tx,
      kind,
      taken.map(({ legacyId, id, digest = '' }) => ({ legacyId, id, digest })),
    );
    await get(Audit).recordMany(
      tx,
      taken.map(({ legacyId, id, name }) => ({
        actor,
        act: { action: `${kind}.imported`, targetType: kind, targetId: id, after: { name, lemurId: legacyId } },
      })),
    );
  }
}

/** Shows whether a row has changed. */
export function digestOf(row: unknown): string {
  return createHash('sha256').update(JSON.stringify(row)).digest('base64url');
}

/** The first of `name`, `name-2`, `name-3` … that is not in `taken` (lower case); adds it to `taken`. */
export function freeLabel(name: string, taken: Set<string>): string {
  let label = name;
  for (let n = 2; taken.has(label.toLowerCase()); n += 1) label = `${name}-${n}`;
  taken.add(label.toLowerCase());
  return label;
}
