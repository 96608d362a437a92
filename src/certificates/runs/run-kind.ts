import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { ItemState } from './run.schema.js';

/** What runs do to certificates; stored with each run, never renamed. */
export type RunKindName = 'revocation' | 'replacement';

/** What a successor must be; null: anything. */
export interface SuccessorWanted {
  authorityId: number | null;
  profileId: number | null;
  keyType: string | null;
}

/** Something holds a certificate for now: the run goes on with others, and looks at it again at `until`. */
export interface RunHold {
  /** Says what holds it, in one word, for clients. */
  code: string;
  detail: string;
  until: Date;
}

/** One certificate of a run, and how it is to be treated. */
export interface RunTask<W> {
  actor: Actor;
  runId: number;
  certificateId: number;
  wishes: W;
  /** Notes that it is done. Call it in the transaction that does it, so that a crash leaves both or neither. */
  done: (tx: Tx, successorId: number | null) => Promise<void>;
}

/** What would become of a certificate: it is held at first, or it is an example that a dry run shows. */
export interface Prepared<E> {
  hold: RunHold | null;
  example: E;
}

/**
 * What a run does to each of its certificates. The run selects them, keeps the pace, counts, pauses and goes on after
 * a crash; the kind knows nothing of that. `W`: the wishes of a request; `E`: an example in a dry run.
 */
export interface RunKind<W extends object = object, E = unknown> {
  readonly name: RunKindName;
  /** The path of its runs, for messages. */
  readonly path: string;
  /** What the actor of a run must have all the time. */
  readonly permission: string;
  /** The state of a certificate at which nothing is left to do. */
  readonly already: Extract<ItemState, `already-${string}`>;
  /** The wishes of a run as they were stored, in JSON. */
  wishesOf(stored: unknown): W;
  /** Throws Problem when this actor may not start such a run at all. */
  demand(actor: Actor, certificateIds: readonly number[], wishes: W): Promise<void>;
  /** Of these certificates, those at which nothing is left to do. */
  settled(tx: Tx, certificateIds: readonly number[], wishes: W): Promise<Set<number>>;
  /** For a dry run: throws what `run` would throw, and changes nothing. */
  prepare(actor: Actor, certificateId: number, wishes: W): Promise<Prepared<E>>;
  /** Resolves to what holds the certificate, or null when it is done. Throws Problem or PluginError. */
  run(task: RunTask<W>): Promise<RunHold | null>;
}

/** A Problem with a code of its own for the certificates that it keeps from being done. */
export class RunObstacle extends Problem {
  constructor(
    readonly obstacle: string,
    detail: string,
  ) {
    super('wrong-state', detail);
  }
}

/** The code of a Problem at one certificate. */
export function obstacleOf(problem: Problem): string {
  return problem instanceof RunObstacle ? problem.obstacle : problem.code;
}

/** The kinds of runs. Each adds itself when the program starts. */
@Injectable()
export class RunKinds {
  private readonly kinds = new Map<RunKindName, RunKind>();

  add<W extends object, E>(kind: RunKind<W, E>): void {
    // The wishes of a run reach only the kind that has stored them.
    this.kinds.set(kind.name, kind);
  }

  /** Throws for a kind that this program does not have. */
  get(name: RunKindName): RunKind {
    const kind = this.kinds.get(name);
    if (!kind) throw new Error(`There are no runs of the kind ${name}.`);
    return kind;
  }

  get all(): readonly RunKind[] {
    return [...this.kinds.values()];
  }
}

/** The kind of a run at the beginning of a sentence. */
export function titleOf(name: RunKindName): string {
  return name === 'revocation' ? 'Revocation' : 'Replacement';
}

/** For a run that does not exist, or of which the actor may not know. */
export function unknownRun(name: RunKindName, id: number): Problem {
  return new Problem('not-found', `There is no ${name} run ${id}.`);
}
