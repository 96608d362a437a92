import { z } from 'zod';
import { InstantOut, instantOrNull } from '../platform/http/instant.js';
import type { Crl } from './crl.repository.js';

const CrlState = z
  .object({
    key: z.string().meta({ description: 'The key that signs it: the first digits of its key identifier.' }),
    shard: z.int().nullable().meta({ description: 'null: the CRL of all certificates.' }),
    url: z.string().nullable().meta({ description: 'Where this program publishes it; null without PKI_URL.' }),
    deltaUrl: z.string().nullable().meta({ description: 'null: there is no delta CRL.' }),
    number: z.string().nullable().meta({ description: 'CRLNumber, decimal; null: none has been made yet.' }),
    entries: z.int().meta({ description: 'How many certificates it lists.' }),
    thisUpdate: InstantOut.nullable(),
    nextUpdate: InstantOut.nullable(),
    nextAt: InstantOut.nullable().meta({
      description: 'When the next one is made, if nothing is revoked before; null: the CA has expired.',
    }),
    overdue: z.boolean().meta({ description: 'Three quarters of its life are over and there is no newer one.' }),
    fault: z.string().nullable().meta({ description: 'Why the last attempt to make one failed.' }),
  })
  .meta({ id: 'Crl' });

export const CrlsView = z
  .object({
    crlDistributionPoints: z.array(z.string()).meta({ description: 'As certificates name them.' }),
    ocsp: z.array(z.string()),
    caIssuers: z.array(z.string()),
    published: z
      .object({ crlDistributionPoints: z.string(), ocsp: z.string(), caIssuers: z.string() })
      .nullable()
      .meta({
        description:
          'The addresses at which this program publishes for the authority, with {key} for the key that signs. To ' +
          'have certificates name them, set them as options of the authority. null without PKI_URL.',
      }),
    lists: z
      .array(CrlState)
      .meta({ description: 'Of the newest key first; of each key that of all certificates, then the shards.' }),
  })
  .meta({ id: 'Crls' });
export type CrlsView = z.output<typeof CrlsView>;

/** One list as answers show it. */
export function crlView(
  crl: Crl,
  urls: { url: string | null; deltaUrl: string | null },
  now: Date,
): CrlsView['lists'][number] {
  const { keyTag: key, shard, number, entries, thisUpdate, nextUpdate, dueAt, overdueAt, faultDetail } = crl;
  return {
    key,
    shard,
    ...urls,
    number,
    entries,
    thisUpdate: instantOrNull(thisUpdate),
    nextUpdate: instantOrNull(nextUpdate),
    nextAt: instantOrNull(dueAt),
    overdue: overdueAt !== null && overdueAt < now,
    fault: faultDetail,
  };
}
