import { z } from 'zod';
import type { Options } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';
import { pollRateOption } from '../../src/plugin-api/source.js';

const domain = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(
    /^(?=.*\.)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a domain such as example.com',
  );

export const options = z.strictObject({
  domains: z
    .array(domain)
    .min(1)
    .max(100)
    .meta({
      title: 'Domains',
      description: 'Your domains. International names in their ASCII form (xn--).',
      examples: [['example.com']],
    }),
  subdomains: z
    .boolean()
    .default(true)
    .meta({ title: 'Subdomains', description: 'Also names below the domains, wildcards among them.' }),
  url: serviceUrl.default('https://crt.sh').meta({
    title: 'Address',
    description: 'Of crt.sh, or of a service that answers like it.',
  }),
  perMinute: z.int().min(1).max(6000).default(30).meta({
    title: 'Requests a minute',
    description: 'crt.sh shuts out addresses that send more than 60.',
  }),
  mostNew: z.int().min(1).max(100_000).default(1000).meta({
    title: 'Most new certificates',
    description: 'So many certificates are read in one scan; the next scan goes on there.',
  }),
  pollRate: pollRateOption,
  ...serviceOptions,
});

export type CtSearchOptions = Options<typeof options>;
