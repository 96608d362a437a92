import { z } from 'zod';

interface Named {
  id?: number;
  name?: string;
  label?: string;
}

/**
 * How a client names another thing: by id, or by name or label. Lemur's clients send the whole object back, so members
 * that are not needed to find it are accepted and dropped: they can hold anything, even secrets.
 */
export const Reference = z
  .looseObject({
    id: z.int().min(1).max(2_147_483_647).optional(),
    name: z.string().min(1).max(512).optional(),
    label: z.string().min(1).max(512).optional(),
  })
  .refine((r) => r.id !== undefined || r.name !== undefined || r.label !== undefined, 'Give an id or a name.')
  .transform(({ id, name, label }): Named => ({ id, name, label }))
  .meta({ id: 'Reference' });
export type Reference = Named;

/** The words by which a person would look for what `ref` names. */
export function wordsOf(ref: Reference): string {
  return String(ref.id ?? ref.name ?? ref.label ?? '');
}
