import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

export const options = z.strictObject({
  url: serviceUrl.meta({
    title: 'Address',
    description: 'Of the FastPKI server, without `/api/v1`.',
    examples: ['https://pki.example.com'],
  }),
  username: z.string().min(1).max(150).meta({
    title: 'User name',
    description: 'A user with the capabilities `create_cert` and `revoke_cert`.',
  }),
  password: secret('Password', 'Password of the user.').max(256),
  caName: z.string().min(1).max(255).meta({
    title: 'CA',
    description: 'Name of the CA that signs, or its ID in digits.',
  }),
  certificateType: z.enum(['server', 'client', 'dual_purpose']).default('server').meta({
    title: 'Certificate type',
    description: 'A server gets no e-mail addresses, a client no DNS names and IP addresses.',
  }),
  ...serviceOptions,
});

export type FastpkiOptions = Options<typeof options>;
