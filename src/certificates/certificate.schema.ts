import { z } from 'zod';
import { AuthorityLabel } from '../authorities/authority-label.js';
import { ignored } from '../platform/http/ignored.js';
import { InstantOut } from '../platform/http/instant.js';
import { OptionValueView, PluginLabel } from '../platform/plugins/plugin.schema.js';
import { EndpointNameView } from '../sources/source.schema.js';
import { certificateStates } from './certificate.entity.js';
import { OrderView } from './issue/order.view.js';
import { RevocationCheckView } from './verify/verify.schema.js';
import { withdrawalKinds, withdrawalStates } from './withdraw/withdrawal.entity.js';

const lifecycle = z
  .enum(certificateStates)
  .meta({ description: 'How far the certificate is on its way from request to end.' });
const status = z.enum(['valid', 'revoked', 'unknown']);
const nullable = (description: string) => z.string().nullable().meta({ description });

const validity = {
  notBefore: InstantOut,
  notAfter: InstantOut,
  validityStart: InstantOut.meta({ description: 'The same as `notBefore`, by the name that requests have for it.' }),
  validityEnd: InstantOut.meta({ description: 'The same as `notAfter`, by the name that requests have for it.' }),
};

/** A certificate in a response about another object. */
export const CertificateLabel = z
  .object({
    id: z.int(),
    name: z.string(),
    owner: z.string(),
    description: z.string().nullable(),
    lifecycle,
    status,
    active: z.boolean(),
    notify: z.boolean(),
    rotation: z.boolean(),
    rotationPolicy: z.object({ id: z.int(), name: z.string(), days: z.int().nullable() }),
    issuer: z.string(),
    cn: z.string().nullable(),
    commonName: z.string(),
    serial: z.string().nullable(),
    bits: z.int(),
    body: z.string().nullable(),
    chain: z.null().meta({ description: 'Only the certificate itself has it: GET /certificates/{id}.' }),
    csr: z.string().nullable(),
    ...validity,
  })
  .meta({ id: 'CertificateLabel' });
export type CertificateLabel = z.output<typeof CertificateLabel>;

const brief = {
  id: z.int(),
  name: z.string(),
  owner: z.string(),
  notify: z.boolean(),
  rotation: z.boolean(),
  issuer: z.string(),
  cn: nullable('The common name; null where the subject has none.'),
  authority: AuthorityLabel.nullable(),
};

/** A certificate in a list with `short=true`. */
export const CertificateBriefView = z.object(brief).meta({ id: 'CertificateBrief' });
export type CertificateBriefView = z.output<typeof CertificateBriefView>;

/** The objects to which a certificate is linked. */
const relations = {
  user: z.object({ id: z.int(), username: z.string(), email: z.string(), active: z.boolean() }).nullable(),
  domains: z.array(z.object({ id: z.int(), name: z.string(), sensitive: z.boolean() })),
  roles: z.array(
    z.object({
      id: z.int(),
      name: z.string(),
      description: z.string(),
      byIssuer: z.boolean().meta({
        description:
          'True where it is here only because the authority belongs to it: it looks ' +
          'after the certificate, but gives no right to the key.',
      }),
    }),
  ),
  notifications: z.array(
    z.object({
      id: z.int(),
      label: z.string(),
      description: z.string().nullable(),
      active: z.boolean(),
      plugin: PluginLabel,
      options: z.array(OptionValueView),
    }),
  ),
  destinations: z.array(
    z.object({
      id: z.int(),
      label: z.string(),
      description: z.string().nullable(),
      plugin: PluginLabel,
      options: z.array(OptionValueView).meta({ description: 'Without values: GET /destinations has them.' }),
    }),
  ),
  endpoints: z.array(EndpointNameView),
  replaces: z.array(CertificateLabel),
  replaced: z.array(CertificateLabel),
  replacedBy: z.array(CertificateLabel),
  rotationPolicy: z.object({
    id: z.int(),
    name: z.string(),
    days: z.int().nullable(),
    lifetimeFraction: z.number().nullable(),
  }),
};

const progress = {
  renewal: z
    .object({
      at: InstantOut.nullable(),
      reason: z.string().nullable(),
      attempts: z.int(),
      fault: z.string().nullable(),
      detail: z.string().nullable(),
      vouchingRole: nullable('The role by whose rights on names it renews, beside those of its creator.'),
      ownerVouches: z.boolean().meta({
        description:
          "False: that is not the owner's role. A holder of the owner's role changes that by " +
          '`POST /certificates/{id}/accept`.',
      }),
    })
    .meta({ description: 'When it renews by itself and why, or why not.' }),
  order: OrderView.nullable().meta({ description: 'For a certificate that is not issued yet.' }),
  withdrawals: z
    .array(
      z.object({
        kind: z.enum(withdrawalKinds),
        state: z.enum(withdrawalStates),
        serial: nullable('Decimal; of the certificate to be revoked.'),
        attempts: z.int(),
        fault: z.string().nullable(),
        detail: z.string().nullable(),
        nextAttemptAt: InstantOut.nullable(),
        since: InstantOut,
        doneAt: InstantOut.nullable().meta({ description: 'When the CA confirmed it.' }),
      }),
    )
    .meta({
      description:
        'What the CA is told: to revoke a certificate or to cancel an order; `close`: the certificate was uploaded, ' +
        'and its order is followed until the CA has issued this very one or the order is cancelled at its deadline. ' +
        'While it is `due` it is repeated until the CA confirms it.',
    }),
  nextNoticeAt: InstantOut.nullable(),
  heldAt: InstantOut.nullable().meta({
    description: 'Since when it is on hold at its CA; `withdrawals` says whether the CA has confirmed it.',
  }),
  revocationCheck: RevocationCheckView.nullable().meta({
    description: 'What its CA said when it was last asked whether it is revoked.',
  }),
  revokedAt: InstantOut.nullable(),
  revocationReason: z.int().nullable(),
  supersededAt: InstantOut.nullable(),
  awaitsDeployment: z.boolean().meta({
    description:
      'Superseded, but nothing here puts the successor in place: it may still be ' +
      'served, and its end is warned about until `notify` is switched off.',
  }),
};

/** A certificate in a response, in full. */
export const CertificateView = z
  .object({
    ...brief,
    commonName: z.string().meta({ description: 'CN of the subject; empty where it has none.' }),
    country: nullable('C of the subject.'),
    state: nullable('ST of the subject: state or province.'),
    location: nullable('L of the subject.'),
    organization: nullable('O of the subject.'),
    organizationalUnit: nullable('OU of the subject.'),
    lifecycle,
    status,
    active: z.boolean(),
    body: z.string().nullable(),
    chain: nullable('PEM of its issuers in order. In lists null, unless `chain=true` asks for it.'),
    csr: z.string().nullable(),
    hasPrivateKey: z.boolean(),
    serial: nullable('Decimal.'),
    serialHex: z.string().nullable(),
    fingerprint: nullable('SHA-256 of the certificate, hex.'),
    distinguishedName: z.string(),
    keyType: z.string(),
    bits: z.int(),
    keyWeakness: nullable('Why anybody can find the private key, as far as it is known here: replace it.'),
    signingAlgorithm: z.string().nullable(),
    ...validity,
    askedNotAfter: InstantOut.nullable().meta({
      description: 'Until when it was to be valid, when that was cut to the end of its authority; else null.',
    }),
    dateCreated: InstantOut,
    description: z.string().nullable(),
    labels: z.array(z.string()),
    profile: z
      .object({ id: z.int(), name: z.string(), version: z.int() })
      .nullable()
      .meta({ description: 'The profile that it was issued by; null without one.' }),
    deleted: z.boolean(),
    san: z.boolean().nullable(),
    externalId: z.string().nullable(),
    lemurId: z.int().nullable().meta({ description: 'The id in the Lemur that it was taken over from.' }),
    extensions: z
      .record(z.string(), z.unknown())
      .meta({ description: 'What the certificate says, in the form in which requests ask for it.' }),
    dnsProvider: z.null(),
    dnsProviderId: z.null(),
    ...relations,
    ...progress,
  })
  .meta({ id: 'Certificate' });
export type CertificateView = z.output<typeof CertificateView>;

/** The members of a certificate that a request may send back, and that are ignored. */
export const certificateAsRead = ignored(Object.keys(CertificateView.shape));
