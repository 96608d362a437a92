import { z } from 'zod';
import { SourceRequest } from './source.schema.js';

/** The longest CSV text of targets, in characters, and the most lines that it may have. */
export const longestCsv = 500_000;
export const mostLines = 10_000;

const table = {
  csv: z
    .string()
    .min(1)
    .max(longestCsv)
    .meta({
      description:
        'A CSV text (RFC 4180) whose first line names columns of the plugin, in any order, e.g. `host,port`; ' +
        `at most ${mostLines} lines.`,
      examples: ['host,port,servername,starttls\r\nwww.example.com,,,\r\n192.0.2.7,8443,shop.example.com,\r\n'],
    }),
  dryRun: z.boolean().default(false).meta({ description: 'Only check what would be added.' }),
};

/** POST /sources/{id}/targets. */
export const TargetsRequest = z.strictObject(table).meta({ id: 'TargetsRequest' });
export type TargetsRequest = z.output<typeof TargetsRequest>;

/** POST /sources/targets: a new source with the targets of a table. */
export const SourceOfTargetsRequest = SourceRequest.extend(table).meta({ id: 'SourceOfTargetsRequest' });
export type SourceOfTargetsRequest = z.output<typeof SourceOfTargetsRequest>;

export const TargetsView = z
  .object({
    dryRun: z.boolean(),
    sourceId: z.int().nullable().meta({ description: 'Null for a new source in a dry run.' }),
    label: z.string(),
    lines: z.int().meta({ description: 'Lines with a target.' }),
    added: z.array(z.string()).meta({ description: 'The entries that the option of the source gets, or would get.' }),
    known: z.int().meta({ description: 'Lines whose target the source had, or another line names.' }),
  })
  .meta({ id: 'SourceTargets' });
export type TargetsView = z.output<typeof TargetsView>;
