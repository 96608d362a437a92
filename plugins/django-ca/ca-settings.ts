import { z } from 'zod';
import type { CaSettings } from '../../src/plugin-api/ca-administration.js';
import { DjangoCaClient } from './django-ca.client.js';
import type { options } from './django-ca.options.js';

const uri = z.url({ protocol: /^https?$/ }).max(255);
/** An extension that the CA adds to what it signs, as django-ca writes it; null: none. */
const extension = (type: string) =>
  z
    .strictObject({ type: z.literal(type), critical: z.boolean(), value: z.unknown() })
    .nullable()
    .optional();

/** The settings of a CA that django-ca 3.0 and newer let be changed over REST; 2.2 has some of them. */
export const changes = z.strictObject({
  name: z.string().min(1).max(255).optional(),
  caa_identity: z.string().max(64).optional(),
  website: z.union([uri, z.literal('')]).optional(),
  terms_of_service: z.union([uri, z.literal('')]).optional(),
  sign_authority_information_access: extension('authority_information_access'),
  sign_certificate_policies: extension('certificate_policies'),
  sign_crl_distribution_points: extension('crl_distribution_points'),
  sign_issuer_alternative_name: extension('issuer_alternative_name'),
  ocsp_responder_key_validity: z.int().min(1).max(3650).optional(),
  ocsp_response_validity: z.int().min(600).max(31_536_000).optional(),
  acme_enabled: z.boolean().optional(),
  acme_registration: z.boolean().optional(),
  acme_profile: z.string().min(1).max(255).optional(),
  acme_requires_contact: z.boolean().optional(),
});
const names = Object.keys(changes.shape);

export const settings: CaSettings<typeof options> = {
  changes,

  async get(o, ctx) {
    const all = await new DjangoCaClient(o, ctx).settings();
    return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
  },

  async update(request, o, ctx) {
    await new DjangoCaClient(o, ctx).change(request.changes);
  },
};
