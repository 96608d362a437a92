import { PluginError, type PluginFault } from './errors.js';

/** One of several places that a verb works at. */
export interface Target {
  /** How an error refers to it. */
  name: string;
}

/** How the targets of one verb are worked at. */
export interface TargetRules {
  signal: AbortSignal;
  /** Whether a fault is sure to meet the other targets too, which are then not tried. Absent: no fault is. */
  isOfAll?: (error: PluginError) => boolean;
}

/** So many faults are told in words; of the others, the names. */
const mostDetails = 10;

/** Works at every target, also after one has failed. Throws PluginError of all that failed, at the end. */
export async function atEvery<T extends Target>(
  targets: readonly T[],
  rules: TargetRules,
  work: (target: T) => Promise<void>,
): Promise<void> {
  const failure = await failureAmong(targets, rules, work);
  if (failure !== null) throw failure;
}

/** As `atEvery`; returns the error, for a verb that has more to do before it throws. Null when nothing failed. */
export async function failureAmong<T extends Target>(
  targets: readonly T[],
  { signal, isOfAll }: TargetRules,
  work: (target: T) => Promise<void>,
): Promise<PluginError | null> {
  const failures: { name: string; error: PluginError }[] = [];
  for (const target of targets) {
    signal.throwIfAborted();
    try {
      await work(target);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PluginError)) throw error;
      failures.push({ name: target.name, error });
      if (isOfAll?.(error)) break;
    }
  }
  if (failures.length === 0) return null;
  return targets.length === 1 && failures[0] ? failures[0].error : joined(failures);
}

/** Is tried again as long as that may help one of them. */
function joined(failures: readonly { name: string; error: PluginError }[]): PluginError {
  const faults = failures.map(({ error }) => error.fault);
  const fault = (['unavailable', 'misconfigured'] satisfies PluginFault[]).find((one) => faults.includes(one));
  const waits = failures.flatMap(({ error: { retryAfterS } }) => retryAfterS ?? []);
  const told = failures.slice(0, mostDetails).map(({ name, error }) => `${name}: ${error.detail}`);
  const others = failures.slice(mostDetails).map(({ name }) => name);
  return new PluginError(
    fault ?? 'refused',
    [...told, ...(others.length > 0 ? [`Others that failed: ${others.join(', ')}.`] : [])].join(' '),
    waits.length > 0 ? Math.max(...waits) : undefined,
    { cause: failures[0]?.error },
  );
}
