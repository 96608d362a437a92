import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

export const options = z.strictObject({
  url: serviceUrl.meta({
    title: 'Address',
    description: 'Of the CFSSL server, without `/api/v1/cfssl`.',
    examples: ['https://cfssl.example.com:8888'],
  }),
  hmacKey: secret('HMAC key', 'Hexadecimal; the key of the signing profile. Absent: requests are not authenticated.')
    .regex(/^([0-9A-Fa-f]{2}){8,128}$/, 'must be 8 to 128 bytes in hexadecimal')
    .optional(),
  profile: z.string().min(1).max(128).optional().meta({
    title: 'Profile',
    description:
      'Signing profile, which decides on validity and key usage. Absent, or unknown to the server: its default one.',
  }),
  label: z.string().min(1).max(128).optional().meta({
    title: 'Label',
    description: 'Which CA of a server with several (multirootca).',
  }),
  ...serviceOptions,
});

export type CfsslOptions = Options<typeof options>;
