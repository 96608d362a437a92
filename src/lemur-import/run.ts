import { createHash } from 'node:crypto';
import type { Abstract, Type } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Fernet } from './fernet.js';
import { type LegacyKind, LegacyRepository } from './legacy.repository.js';
import type { LemurDatabase } from './lemur-database.js';
import { Report } from './report.js';

/** A service of the program, by its class. */
export type Get = <T>(service: Type<T> | Abstract<T>) => T;

/** What an import works with. `advance` is told of certificates that are done with. */
export interface RunParts {
  lemur: LemurDatabase;
  fernet: Fernet;
  get: Get;
  actor: Actor;
  now: Date;
  /** One transaction; in a dry run, all of them are one that is rolled back. */
  write: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  advance: (certificates: number) => void;
}

/** One transaction of an import, and what it comes to if it is stored. */
export interface Step {
  tx: Tx;
  report: Report;
}

/** One row that was taken over, for the audit log. */
export interface Taken {
  legacyId: number;
  id: number;
  name: string;
  digest?: string;
}

/** One import under way. */
export class Run {
  readonly report = new Report();
  readonly legacy = new LegacyRepository();

  constructor(readonly parts: RunParts) {}

  /** Work that is stored as a whole or not at all, and may be repeated. */
  async step<T>(work: (step: Step) => Promise<T>): Promise<T> {
    const [result, report] = await this.parts.write(async (tx) => {
      const step = { tx, report: new Report() };
      return [await work(step), step.report] as const;
    });
    this.report.add(report);
    return result;
  }

  /** Remembers rows that have been taken over, and has the audit log say so. */
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

/** Tells whether a row has changed. */
export function digestOf(row: unknown): string {
  return createHash('sha256').update(JSON.stringify(row)).digest('base64url');
}

/** The first of `name`, `name-2`, `name-3` … that `taken` (lower case) lacks; adds it there. */
export function freeLabel(name: string, taken: Set<string>): string {
  let label = name;
  for (let n = 2; taken.has(label.toLowerCase()); n += 1) label = `${name}-${n}`;
  taken.add(label.toLowerCase());
  return label;
}
