import { z } from 'zod';
import { visibleText } from '../../platform/http/visible-text.js';

const maxId = 2_147_483_647;

/** POST /cas. Members as in FastPKI, in camelCase. */
export const CaCreate = z.strictObject({
  name: visibleText(119),
  description: z.string().max(1024).nullish(),
  subjectDn: z.string().min(1).max(4096),
  keySize: z.int().nullish(),
  validDays: z.int().min(1).max(18_300).nullish(),
  parentCaId: z.int().min(1).max(maxId).nullish(),
  pathLength: z.int().min(0).max(10).nullish(),
  allowLeafCerts: z.boolean().nullish(),
  crlBaseUrl: z.string().max(2048).nullish(),
});
export type CaCreate = z.output<typeof CaCreate>;
