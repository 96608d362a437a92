import { PluginError } from './errors.js';
import type { PluginContext } from './plugin.js';
import type { Found, FoundTrouble } from './source.js';

/** A part of a source that is read by itself. When it cannot be, it is a FoundTrouble. */
export interface SourcePart extends Pick<FoundTrouble, 'location' | 'usersExcept'> {
  finds: () => AsyncIterable<Found>;
}

/** What the parts find; a part that fails is a trouble, and all of them a failure. */
export async function* findsOf(parts: readonly SourcePart[], ctx: PluginContext): AsyncGenerator<Found> {
  const troubles: FoundTrouble[] = [];
  let failure: PluginError | undefined;
  for (const { finds, ...part } of parts) {
    try {
      yield* finds();
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (!(error instanceof PluginError)) throw error;
      failure ??= error;
      troubles.push({ kind: 'trouble', ...part, detail: error.detail });
    }
  }
  if (failure !== undefined && troubles.length === parts.length) throw failure;
  yield* troubles;
}
