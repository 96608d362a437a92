import { dialects } from './dialects/dialects.js';
import type { Config } from './platform/config.js';
import { platformSurfaces } from './platform/http/platform-surfaces.js';
import { Surfaces } from './platform/http/surfaces.js';
import { ocsp, pki } from './revocation/pki.surfaces.js';

/** Every surface of the program with these settings. One more is one more value in this list. */
export function surfacesOf(config: Pick<Config, 'dialects'>): Surfaces {
  const ofDialects = config.dialects.flatMap((name) => dialects[name].surfaces);
  return new Surfaces([...platformSurfaces, pki, ocsp, ...ofDialects]);
}
