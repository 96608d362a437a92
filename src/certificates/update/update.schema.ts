import { z } from 'zod';
import { OwnerName } from '../../roles/role-name.js';
import { Care } from '../issue/issue.schema.js';

/**
 * PUT /certificates/{id}. Absent members stay unchanged. Members that only the response has are ignored, because
 * clients send the whole object back.
 */
export const UpdateRequest = z.looseObject({ owner: OwnerName.optional(), ...Care }).meta({ id: 'UpdateRequest' });
export type UpdateRequest = z.output<typeof UpdateRequest>;

/** POST /certificates/{id}, with which Lemur's web page switches notices. It sends the whole certificate. */
export const NotifyRequest = z.looseObject({ notify: z.boolean() }).meta({ id: 'NotifyRequest' });
export type NotifyRequest = z.output<typeof NotifyRequest>;

/** POST /certificates/{id}/update/switches. */
export const SwitchesRequest = z
  .strictObject({ notify: z.boolean().optional(), rotation: z.boolean().optional() })
  .refine(({ notify, rotation }) => notify !== undefined || rotation !== undefined, {
    message: 'Give notify, rotation or both.',
    path: ['notify'],
  })
  .meta({ id: 'SwitchesRequest' });
export type SwitchesRequest = z.output<typeof SwitchesRequest>;

/** POST /certificates/{id}/update/owner. */
export const OwnerRequest = z.strictObject({ owner: OwnerName }).meta({ id: 'OwnerRequest' });
export type OwnerRequest = z.output<typeof OwnerRequest>;

/** PUT /certificates/{id}/description. */
export const DescriptionRequest = z
  .strictObject({ description: Care.description.unwrap() })
  .meta({ id: 'DescriptionRequest' });
export type DescriptionRequest = z.output<typeof DescriptionRequest>;
