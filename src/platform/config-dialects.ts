import { z } from 'zod';
import { list, text } from './config-value.js';

/** The other systems whose REST contracts the program can serve, by the names that DIALECTS takes. */
export const dialectNames = ['django-ca', 'fastpki'] as const;
export type DialectName = (typeof dialectNames)[number];

const dialect = text.transform((value, context): DialectName => {
  const known = dialectNames.find((name) => name === value.toLowerCase());
  if (known !== undefined) return known;
  context.addIssue(`must name dialects that there are: ${dialectNames.join(', ')}`);
  return z.NEVER;
});

/** Settings of the REST contracts of other systems. */
export const dialectSchema = {
  DIALECTS: list(dialect)
    .optional()
    .transform((names): readonly DialectName[] => [...new Set(names)])
    .meta({
      description:
        `REST contracts of other systems that are served beside the own one, with commas between: ` +
        `${dialectNames.join(', ')}. Without it: none. See dialects.md.`,
    }),
};
