import { z } from 'zod';
import { secret } from '../../src/plugin-api/options.js';

/** An id or a name of Azure. */
export const azureId = z.string().regex(/^[A-Za-z0-9._()-]{1,90}$/, 'must be an id or a name of Azure');

/** The options by which an application signs in. */
export function azureSignIn(role: string) {
  return {
    tenantId: azureId.meta({
      title: 'Tenant',
      description: 'Id of the directory (tenant) in which the application is.',
    }),
    clientId: azureId.meta({ title: 'Application', description: 'Client id of the application that signs in.' }),
    clientSecret: secret('Client secret', `A secret of the application. It needs the role ${role}.`),
  };
}
