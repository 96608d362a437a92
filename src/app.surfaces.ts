import { platformSurfaces } from './platform/http/platform-surfaces.js';
import { ocsp, pki } from './revocation/pki.surfaces.js';
import { Surfaces } from './platform/http/surfaces.js';

/** Every surface of the program. One more is one more value in this list. */
export const surfaces = new Surfaces([...platformSurfaces, pki, ocsp]);
