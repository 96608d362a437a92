import { z } from 'zod';
import { parseNamePattern } from '../pki/name-pattern.js';
import { PkiError } from '../pki/pki-error.js';
import { listQuery } from '../platform/http/page.js';
import { Reference } from '../platform/http/reference.js';

const Pattern = z
  .string()
  .min(1)
  .max(253)
  .transform((text, context) => {
    try {
      return parseNamePattern(text).text;
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      context.addIssue(error.message);
      return z.NEVER;
    }
  });

/** POST and PUT /domain-rules. */
export const DomainRuleRequest = z
  .strictObject({
    id: z.unknown().optional().meta({ description: 'Ignored: clients may send the whole object back.' }),
    role: Reference.nullish().meta({ description: 'The role that the rule applies to. Default: everyone.' }),
    authorityId: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .nullish()
      .meta({
        description:
          'The authority that the rule applies to, with the authorities below it that are not private. ' +
          'Default: every authority that is not private.',
      }),
    patterns: z
      .array(Pattern)
      .min(1)
      .max(1000)
      .meta({
        description:
          '`www.example.com` matches that host. `*` matches any characters within one label (`*.example.com`, ' +
          '`api-*.example.com`). `.example.com` matches every host below example.com, but not example.com. ' +
          '`.` matches every host. `10.0.0.0/8` matches a network of IP addresses.',
      }),
    description: z.string().max(1024).nullish(),
  })
  .meta({ id: 'DomainRuleRequest' });
export type DomainRuleRequest = z.output<typeof DomainRuleRequest>;

export const DomainRuleView = z
  .object({
    id: z.int(),
    role: z.object({ id: z.int(), name: z.string() }).nullable(),
    authorityId: z.int().nullable(),
    patterns: z.array(z.string()),
    description: z.string().nullable(),
  })
  .meta({ id: 'DomainRule' });
export type DomainRuleView = z.output<typeof DomainRuleView>;

export const DomainRuleQuery = listQuery('id', 'role', 'authorityId');
