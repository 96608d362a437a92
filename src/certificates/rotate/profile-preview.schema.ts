import { z } from 'zod';
import { ProfileRules } from '../../profiles/profile-rules.schema.js';

/** POST /profiles/{id}/preview. */
export const ProfilePreviewRequest = z.strictObject({ rules: ProfileRules }).meta({ id: 'ProfilePreviewRequest' });
export type ProfilePreviewRequest = z.output<typeof ProfilePreviewRequest>;

export const ProfilePreviewView = z
  .object({
    dryRun: z.literal(true),
    renewals: z.int().meta({ description: 'Planned renewals of certificates of the profile that were judged.' }),
    refused: z.int().meta({ description: 'How many of them the rules would refuse.' }),
    refusedFail: z.boolean().meta({
      description: 'True: they would fail (`strictRenewal`). False: they would follow the version that they have.',
    }),
    complete: z.boolean().meta({ description: 'False: there are more planned renewals than were judged.' }),
    certificates: z
      .array(z.object({ id: z.int(), name: z.string(), text: z.string() }))
      .meta({ description: 'The first twenty that would be refused, and why.' }),
  })
  .meta({ id: 'ProfilePreview' });
export type ProfilePreviewView = z.output<typeof ProfilePreviewView>;
