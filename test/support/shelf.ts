import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineDestination, type DestinationPlugin } from '../../src/plugin-api/destination.js';
import type { OptionSchema } from '../../src/plugin-api/options.js';

/** A place in this process that certificates are delivered to, and that fails as it is told. */
export interface Shelf {
  /** `shelf` removes, `fixed-shelf` cannot. Option `by`: what the locations are named by. */
  plugins: DestinationPlugin<OptionSchema>[];
  /** What stands there: location to leaf. */
  readonly standing: ReadonlyMap<string, string>;
  /** Every leaf that a delivery has put there, in order. */
  readonly written: string[];
  /** The round of every attempt to deliver or remove, in order. */
  readonly rounds: string[];
  /** `down`: nothing is done. `lost`: a delivery is done, its answer is lost. `nameless`: it answers no location. */
  mode: 'up' | 'down' | 'lost' | 'nameless';
  /** Deliveries begin, and go no further until `release` is called; they pay no heed to the signal. */
  hold(): { begun: () => boolean; release: () => void };
}

export function shelf(): Shelf {
  const standing = new Map<string, string>();
  let held: { begun: boolean; open: Promise<void> } | null = null;
  const options = z.strictObject({
    by: z.enum(['commonName', 'name']).default('commonName').meta({ title: 'By', description: 'What names a place.' }),
  });
  const made: Shelf = {
    plugins: [],
    standing,
    written: [],
    rounds: [],
    mode: 'up',
    hold: () => {
      let release = (): void => undefined;
      const one = { begun: false, open: new Promise<void>((resolve) => (release = resolve)) };
      held = one;
      return {
        begun: () => one.begun,
        release: () => {
          held = null;
          release();
        },
      };
    },
  };
  const reach = (): void => {
    if (made.mode === 'down') throw new PluginError('unavailable', 'The shelf is down.');
  };
  const fixed = defineDestination({
    id: 'fixed-shelf',
    title: 'Fixed shelf',
    description: 'Keeps what is put on it.',
    options,
    needsPrivateKey: true,
    locate: ({ bundle }, { by }) => `shelf/${bundle[by]}`,
    async deliver({ bundle, round }, { by }) {
      reach();
      made.rounds.push(round);
      if (held) {
        held.begun = true;
        await held.open;
      }
      const location = `shelf/${bundle[by]}`;
      standing.set(location, bundle.chainPem[0] ?? '');
      made.written.push(bundle.chainPem[0] ?? '');
      if (made.mode === 'lost') throw new PluginError('unavailable', 'The answer was lost.');
      return { location: made.mode === 'nameless' ? '' : location };
    },
  });
  made.plugins.push(fixed, {
    ...fixed,
    id: 'shelf',
    title: 'Shelf',
    async remove({ location, bundle, round }) {
      reach();
      made.rounds.push(round);
      if (standing.get(location) === bundle.chainPem[0]) standing.delete(location);
    },
  });
  return made;
}
