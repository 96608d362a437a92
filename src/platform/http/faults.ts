import { invalid, Problem } from './problem.js';

/** Why one member of a request is refused. `field`: a dotted path in the request's own names. */
export interface Fault {
  field: string;
  text: string;
}

/** Takes refusals of members of a request: to report them together, or at once. */
export interface FaultSink {
  add(field: string, text: string): void;
  /** The result of `work`. When it refuses a member (Problem `invalid-request`): takes that, and returns `instead`. */
  keep<T>(work: () => T, instead: T): T;
}

/** Throws the first refusal. */
export const refuseAtOnce: FaultSink = {
  add(field, text) {
    throw invalid(field, text);
  },
  keep: (work) => work(),
};

/** More do not help anybody to correct a request. */
const mostFaults = 100;

/** Collects the first 100 refusals. `demandNone` must follow before anything is done. */
export class Faults implements FaultSink {
  readonly all: Fault[] = [];

  add(field: string, text: string): void {
    const isKnown = this.all.some((one) => one.field === field && one.text === text);
    if (!isKnown && this.all.length < mostFaults) this.all.push({ field, text });
  }

  addAll(faults: readonly Fault[]): void {
    for (const { field, text } of faults) this.add(field, text);
  }

  keep<T>(work: () => T, instead: T): T {
    try {
      return work();
    } catch (error) {
      this.take(error);
      return instead;
    }
  }

  /** As `keep`, for what takes time. */
  async keepLater<T>(work: () => Promise<T>, instead: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.take(error);
      return instead;
    }
  }

  /** Throws one Problem `invalid-request` with every refusal; `detail`: its text, by default all of them. */
  demandNone(detail = this.all.map(({ text }) => text).join(' ')): void {
    if (this.all.length === 0) return;
    const reasons: Record<string, string[]> = {};
    for (const { field, text } of this.all) (reasons[field] ??= []).push(text);
    throw new Problem('invalid-request', detail, { reasons });
  }

  private take(error: unknown): void {
    if (!(error instanceof Problem) || error.code !== 'invalid-request' || !error.extra.reasons) throw error;
    for (const [field, texts] of Object.entries(error.extra.reasons)) for (const text of texts) this.add(field, text);
  }
}
