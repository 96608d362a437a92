import { z } from 'zod';
import { decodeCursor } from './cursor.js';
import { camelCase } from './input.js';
import { queryInt } from './query.js';

/** `filter=field;value`: which field, and what it must match. A value may itself contain `;`. */
export interface Filter {
  field: string;
  value: string;
}

const filter = z
  .string()
  .max(8192)
  .transform((text, context): Filter => {
    const at = text.indexOf(';');
    if (at > 0) return { field: text.slice(0, at), value: text.slice(at + 1) };
    context.addIssue({ code: 'custom', message: 'Expected field;value' });
    return z.NEVER;
  });

const after = z
  .string()
  .max(8192)
  .transform((text, context) => {
    const cursor = decodeCursor(text);
    if (cursor) return cursor;
    context.addIssue({ code: 'custom', message: 'Not a cursor that this list gave out' });
    return z.NEVER;
  });

/** The most entries on a page. */
export const longestPage = 1000;

/** The parameters of every list. `listQuery` adds those of one list. */
export const PageQuery = z.strictObject({
  page: queryInt(1, 1_000_000).default(1).meta({ description: 'Which page, from 1.' }),
  count: queryInt(1, longestPage).default(10).meta({ description: 'Entries on a page.' }),
  sortBy: z.string().max(64).optional(),
  sortDir: z.enum(['asc', 'desc']).optional(),
  filter: filter.optional().meta({ description: '`field;value`; a value in double quotes must match as a whole.' }),
  after: after.optional().meta({
    description:
      'The `next` of the page before; takes the place of `page`. Neither skips nor ' +
      'repeats an entry while others come and go.',
  }),
});
export type PageQuery = z.output<typeof PageQuery>;

/** The parameters of a list that can be sorted by these members; add its own with `.extend`. */
export function listQuery<const Sorts extends readonly [string, ...string[]]>(...sorts: Sorts) {
  const sortBy = z.enum(sorts, {
    error: ({ input }) => `The field '${String(input)}' is not sortable or filterable; try ${sorts.join(', ')}.`,
  });
  const known = (name: unknown): unknown =>
    typeof name === 'string' ? (sorts.find((sort) => sort === camelCase(name)) ?? name) : name;
  return PageQuery.extend({ sortBy: z.preprocess(known, sortBy).optional() });
}

/** The number of entries. Long lists stop counting at a bound, which is then the value. */
export interface Total {
  total: number;
}

/**
 * One page of a list, in the format of Lemur's clients. `next` is present when more entries follow: the `after` of the
 * next page.
 */
export interface Page<T> extends Total {
  items: T[];
  next?: string;
}

/** The answer to a deletion, as Lemur's clients expect it. */
export const Removed = z.strictObject({ result: z.literal(true) }).meta({ id: 'Removed' });
export type Removed = z.output<typeof Removed>;

/** The schema of one page of `item`. */
export function pageOf<S extends z.ZodType>(
  item: S,
): z.ZodObject<{ items: z.ZodArray<S>; total: z.ZodInt; next: z.ZodOptional<z.ZodString> }, z.core.$strict> {
  return z.strictObject({ items: z.array(item), total: z.int().min(0), next: z.string().optional() });
}
