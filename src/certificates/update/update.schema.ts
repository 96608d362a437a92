import { z } from 'zod';
import { OwnerName } from '../../roles/role-name.js';
import { Care } from '../issue/issue.schema.js';

/** PUT /certificates/{id}: what is absent stays as it is. Members of the certificate itself are ignored, because clients send the whole object back. */
export const UpdateRequest = z.looseObject({ owner: OwnerName.optional(), ...Care }).meta({ id: 'UpdateRequest' });
export type UpdateRequest = z.output<typeof UpdateRequest>;
