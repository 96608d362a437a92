import { z } from 'zod';
import { Reference } from '../../platform/http/reference.js';
import { OwnerName } from '../../roles/role-name.js';
import { CertificateView } from '../certificate.schema.js';
import { PlanView } from '../rotate/rotate.schema.js';

/** POST /certificates/{id}/adopt. Absent members stay as they are. */
export const AdoptRequest = z
  .strictObject({
    owner: OwnerName.optional(),
    authority: Reference.optional().meta({
      description: 'The authority that issued it. From then on it renews and revokes the certificate.',
    }),
    rotation: z.boolean().default(true).meta({ description: 'Renew it automatically.' }),
    rotationPolicy: Reference.optional(),
    destinations: z
      .array(Reference)
      .max(100)
      .optional()
      .meta({ description: 'Where its successors are delivered. It is delivered there itself if its key is here.' }),
  })
  .meta({ id: 'AdoptRequest' });
export type AdoptRequest = z.output<typeof AdoptRequest>;

/** The certificate as it is managed now, and what will become of it. */
export const AdoptionView = z.object({ certificate: CertificateView, plan: PlanView }).meta({ id: 'Adoption' });
export type AdoptionView = z.output<typeof AdoptionView>;
