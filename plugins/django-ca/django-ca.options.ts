import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

export const options = z.strictObject({
  url: serviceUrl.meta({
    title: 'Address',
    description: 'Where django-ca is, with its path and without `/api`.',
    examples: ['https://ca.example.com/django_ca'],
  }),
  username: z
    .string()
    .min(1)
    .max(150)
    .meta({
      title: 'User name',
      description:
        'A user with the permissions to view CAs, and to sign, view and revoke certificates; to change CAs for their ' +
        'settings.',
    }),
  password: secret('Password', 'Password of the user.').max(256),
  caSerial: z
    .string()
    .regex(/^([0-9A-Fa-f]{2}:?)+$/, 'must be hexadecimal')
    .meta({ title: 'Serial number of the CA', description: 'As `manage.py list_cas` shows it.' }),
  profile: z.string().min(1).max(64).default('webserver').meta({
    title: 'Profile',
    description: 'Recorded with the certificate. Over REST it adds no extensions: those of the request are sent.',
  }),
  resigns: z.boolean().default(false).meta({
    title: 'Resign',
    description:
      'A renewal that keeps key and names has django-ca resign the certificate. Otherwise it is a new request.',
  }),
  ...serviceOptions,
});

export type DjangoCaOptions = Options<typeof options>;
