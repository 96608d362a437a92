import type { Type } from '@nestjs/common';
import type { DialectName } from '../platform/config-dialects.js';
import type { Surface } from '../platform/http/surface.js';
import { DjangoCaModule } from './django-ca/django-ca.module.js';
import { djangoCa } from './django-ca/django-ca.surfaces.js';
import { FastpkiModule } from './fastpki/fastpki.module.js';
import { fastpki, fastpkiSignIn } from './fastpki/fastpki.surfaces.js';

/** The REST contract of another system, as a thin translation into the commands and rights of this program. */
interface Dialect {
  surfaces: readonly Surface[];
  /** Its controllers; their paths begin with the prefix of a surface. */
  module: Type;
}

/** Every dialect; DIALECTS turns each on. One more is a name in `dialectNames`, a folder, and an entry here. */
export const dialects: Readonly<Record<DialectName, Dialect>> = {
  'django-ca': { surfaces: [djangoCa], module: DjangoCaModule },
  fastpki: { surfaces: [fastpki, fastpkiSignIn], module: FastpkiModule },
};
