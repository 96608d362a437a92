import { z } from 'zod';
import { Label } from '../../notifications/subscription.schema.js';
import { InstantOut } from '../../platform/http/instant.js';
import { Reference } from '../../platform/http/reference.js';

/** PUT /destinations/{id}/filter. */
export const FilterRequest = z
  .strictObject({
    owner: z.string().trim().toLowerCase().min(1).max(256).nullish(),
    authority: Reference.nullish().meta({ description: 'The authority that has issued them.' }),
    name: z
      .string()
      .max(253)
      .regex(/^[a-z0-9._*-]*[a-z0-9][a-z0-9._*-]*$/i, 'Give a host name, in which * stands for any characters')
      .nullish()
      .meta({ description: 'A pattern for one of their names: `*` stands for any characters.' }),
    label: Label.nullish(),
    imported: z.boolean().default(false).meta({
      description: 'Whether certificates that no authority here has issued join too. Anyone can import those.',
    }),
    dryRun: z.boolean().default(false).meta({ description: 'True: only tell which certificates would join.' }),
  })
  .refine(({ owner, authority, name, label }) => [owner, authority, name, label].some((given) => given != null), {
    path: ['owner'],
    error: 'Give an owner, an authority, a name or a label: a filter that selects everything is refused.',
  })
  .meta({ id: 'DestinationFilterRequest' });
export type FilterRequest = z.output<typeof FilterRequest>;

/** The most joining certificates that are counted, and that are named. */
export const mostJoining = { counted: 1000, named: 20 } as const;

const Joining = z.object({ id: z.int(), name: z.string(), owner: z.string() });

export const FilterView = z
  .object({
    owner: z.string().nullable(),
    authority: z.object({ id: z.int(), name: z.string() }).nullable(),
    name: z.string().nullable(),
    label: z.string().nullable(),
    imported: z.boolean(),
    setBy: z
      .object({ id: z.int(), username: z.string() })
      .nullable()
      .meta({ description: 'With whose rights certificates join. Null: the account is deleted.' }),
    setAt: InstantOut,
    active: z.boolean().meta({
      description: 'False: nothing joins until it is set again, since who set it is not active any more.',
    }),
    joining: z.object({ count: z.int(), certificates: z.array(Joining) }).meta({
      description:
        `Certificates that match and have no delivery there yet: how many, at most ${mostJoining.counted}, and the ` +
        `first ${mostJoining.named}.`,
    }),
  })
  .meta({ id: 'DestinationFilter' });
export type FilterView = z.output<typeof FilterView>;
