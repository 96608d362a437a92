import { z } from 'zod';
import { normaliseSan } from '../pki/subject-alt-name.js';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';

const Name = z
  .string()
  .min(1)
  .max(2048)
  .transform((text, context) => {
    for (const type of ['ip', 'dns'] as const) {
      try {
        return normaliseSan({ type, value: text.trim().replace(/\.$/, '') }).value;
      } catch {
        // Perhaps it is one of the other type.
      }
    }
    context.addIssue('Expected a host name, optionally with a leading *., or an IP address');
    return z.NEVER;
  });

/** POST /domains. */
export const NewDomain = z
  .strictObject({
    name: Name,
    sensitive: z
      .boolean()
      .default(false)
      .meta({
        description:
          'Only with special rights does anyone issue for a sensitive name or for a ' +
          'name below it, or for a wildcard that would match it.',
      }),
  })
  .meta({ id: 'NewDomain' });
export type NewDomain = z.output<typeof NewDomain>;

/** PUT /domains/{id}. */
export const DomainChange = z
  .strictObject({
    id: z.unknown().optional().meta({ description: 'Ignored: clients may send the whole object back.' }),
    name: z
      .string()
      .max(2048)
      .optional()
      .meta({ description: 'Must be the current name: a domain cannot be renamed.' }),
    sensitive: z.boolean(),
  })
  .meta({ id: 'DomainChange' });
export type DomainChange = z.output<typeof DomainChange>;

export const DomainView = z.object({ id: z.int(), name: z.string(), sensitive: z.boolean() }).meta({ id: 'Domain' });
export type DomainView = z.output<typeof DomainView>;

/** Query of GET /domains. */
export const DomainQuery = listQuery('id', 'name').extend({ sensitive: queryBoolean().optional() });
export type DomainQuery = z.output<typeof DomainQuery>;
