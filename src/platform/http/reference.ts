import { z } from 'zod';

interface Named {
  id?: number;
  name?: string;
  label?: string;
}

/**
 * A client's reference to another object: by id, name or label. Lemur's clients send the whole object back, so all
 * other members are accepted and dropped: they can hold anything, even secrets.
 */
export const Reference = z
  .looseObject({
    id: z.int().min(1).max(2_147_483_647).optional(),
    name: z.string().normalize('NFC').min(1).max(512).optional(),
    label: z.string().normalize('NFC').min(1).max(512).optional(),
  })
  .refine((r) => r.id !== undefined || r.name !== undefined || r.label !== undefined, 'Give an id or a name.')
  .transform(({ id, name, label }): Named => ({ id, name, label }))
  .meta({ id: 'Reference' });
export type Reference = Named;

/** `ref` for a message: the id, name or label. */
export function wordsOf(ref: Reference): string {
  return String(ref.id ?? ref.name ?? ref.label ?? '');
}
