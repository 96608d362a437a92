import { z } from 'zod';
import { parseCertificate } from '../pki/certificate.js';
import { PkiError } from '../pki/pki-error.js';
import { serialDecimal } from '../pki/serial.js';
import { instant, InstantOut } from '../platform/http/instant.js';
import { queryInt } from '../platform/http/query.js';
import {
  type CaOrganization,
  type CaPerson,
  type CaProfile,
  type CaRequest,
  caRequestActions,
  caRequestStates,
  caRequestTypes,
  type CaRequestLabel,
} from '../plugin-api/ca-administration.js';
import { type Held, heldStatuses } from '../plugin-api/ca-inventory.js';

/** The parameters of a list at a CA. */
export const PartQuery = z.strictObject({
  count: queryInt(1, 100).default(20).meta({ description: 'Entries in one answer.' }),
  after: z.string().max(256).optional().meta({ description: 'The `next` of the answer before.' }),
});

export const CaRequestQuery = PartQuery.extend({
  state: z.enum(caRequestStates).optional(),
  type: z.enum(caRequestTypes).optional(),
});
export type CaRequestQuery = z.output<typeof CaRequestQuery>;

export const HeldQuery = PartQuery.extend({
  after: queryInt(0, 1_000_000_000).optional().meta({ description: 'The `next` of the answer before.' }),
  commonName: z.string().max(256).optional().meta({ description: 'Part of it.' }),
  serial: z
    .string()
    .regex(/^\d{1,60}$/, 'Expected a decimal number')
    .optional()
    .meta({ description: 'The whole serial number, decimal.' }),
  status: z.enum(heldStatuses).optional(),
});
export type HeldQuery = z.output<typeof HeldQuery>;

/** One part of a list at a CA, which may not say how long the list is. */
export function partOf<S extends z.ZodType>(item: S) {
  return z.strictObject({
    items: z.array(item),
    next: z.string().nullable().meta({ description: '`after` for the next part; null after the last.' }),
    total: z.int().nullable().meta({ description: 'Null where the CA does not say it.' }),
  });
}

export const CaProfileLabelView = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    visible: z.boolean().nullable(),
    enabled: z.boolean().nullable().meta({ description: 'Null where the CA says it of single profiles alone.' }),
  })
  .meta({ id: 'CaProfileLabel' });
export type CaProfileLabelView = z.output<typeof CaProfileLabelView>;

const Form = z.object({
  id: z.string().optional(),
  name: z.string(),
  className: z.string().optional(),
  fields: z.array(
    z.object({
      name: z.string(),
      description: z.string().optional(),
      syntax: z.string().optional(),
      defaultValue: z.string().optional(),
    }),
  ),
});
const Rule = z.object({
  description: z.string().optional(),
  className: z.string().optional(),
  parameters: z.record(z.string(), z.string()),
});

export const CaProfileView = CaProfileLabelView.extend({
  needsApproval: z.boolean().meta({ description: 'Whether a person at the CA approves each request.' }),
  inputs: z.array(Form),
  outputs: z.array(Form),
  policySets: z.array(
    z.object({
      id: z.string().optional(),
      policies: z.array(z.object({ id: z.string(), sets: Rule, demands: Rule })),
    }),
  ),
}).meta({ id: 'CaProfile' });
export type CaProfileView = z.output<typeof CaProfileView>;

/** PUT /authorities/{id}/profiles/{profile}. */
export const ChangeCaProfile = z.strictObject({ enabled: z.boolean() }).meta({ id: 'ChangeCaProfile' });
export type ChangeCaProfile = z.output<typeof ChangeCaProfile>;

export const CaRequestLabelView = z
  .object({
    id: z.string(),
    type: z.enum(caRequestTypes).nullable(),
    state: z.enum(caRequestStates),
    serial: z.string().nullable().meta({ description: 'Of the certificate that was issued for it, decimal.' }),
    detail: z.string().nullable(),
  })
  .meta({ id: 'CaRequestLabel' });
export type CaRequestLabelView = z.output<typeof CaRequestLabelView>;

export const CaRequestView = CaRequestLabelView.extend({
  profile: z.string().nullable(),
  assignee: z.string().nullable(),
  note: z.string().nullable(),
  createdAt: InstantOut.nullable(),
  csr: z.string().nullable(),
  inputs: z.record(z.string(), z.string()).meta({ description: 'What the requester filled in.' }),
  policies: z.array(
    z.object({
      id: z.string(),
      description: z.string().optional(),
      values: z.array(z.object({ name: z.string(), value: z.string(), description: z.string().optional() })),
    }),
  ),
}).meta({ id: 'CaRequest' });
export type CaRequestView = z.output<typeof CaRequestView>;

/** PUT /authorities/{id}/requests/{request}. */
export const DecideCaRequest = z
  .strictObject({
    action: z.enum(caRequestActions),
    note: z.string().max(1024).optional().meta({ description: 'Kept with the request at the CA.' }),
    values: z
      .record(z.string().max(128), z.string().max(4096))
      .optional()
      .meta({ description: 'Values of its policies to change, by their names, e.g. `notAfter`.' }),
  })
  .meta({ id: 'DecideCaRequest' });
export type DecideCaRequest = z.output<typeof DecideCaRequest>;

export const HeldView = z
  .object({
    location: z.string().meta({ description: 'What the CA calls it.' }),
    status: z.enum(heldStatuses).nullable(),
    revokedAt: InstantOut.nullable(),
    reason: z.int().nullable().meta({ description: 'CRLReason code of RFC 5280 §5.3.1.' }),
    subject: z.string().nullable(),
    serial: z.string().nullable(),
    sha256: z.string().nullable(),
    notBefore: InstantOut.nullable(),
    notAfter: InstantOut.nullable(),
    body: z.string().nullable(),
    chain: z.string().nullable(),
    detail: z.string().nullable().meta({ description: 'Why it cannot be read; null when it can.' }),
  })
  .meta({ id: 'CaCertificate' });
export type HeldView = z.output<typeof HeldView>;

export function caProfileLabelView({
  id,
  name,
  description,
  visible,
  enabled,
}: Pick<CaProfile, 'id' | 'name' | 'description' | 'visible'> & { enabled?: boolean }): CaProfileLabelView {
  return { id, name, description: description ?? null, visible: visible ?? null, enabled: enabled ?? null };
}

export function caProfileView({ needsApproval, inputs, outputs, policySets, ...label }: CaProfile): CaProfileView {
  const form = ({ fields, ...rest }: CaProfile['inputs'][number]) => ({ ...rest, fields: [...fields] });
  return {
    ...caProfileLabelView(label),
    needsApproval,
    inputs: inputs.map(form),
    outputs: outputs.map(form),
    policySets: policySets.map(({ policies, ...set }) => ({ ...set, policies: [...policies] })),
  };
}

export function caRequestLabelView({ id, type, state, serialHex, detail }: CaRequestLabel): CaRequestLabelView {
  const serial = serialHex === undefined ? null : serialDecimal(serialHex);
  return { id, type: type ?? null, state, serial, detail: detail ?? null };
}

export function caRequestView(request: CaRequest): CaRequestView {
  const { profileId, assignee, note, createdAt, csrPem, inputs, policies } = request;
  return {
    ...caRequestLabelView(request),
    profile: profileId ?? null,
    assignee: assignee ?? null,
    note: note ?? null,
    createdAt: createdAt ? instant(createdAt) : null,
    csr: csrPem ?? null,
    inputs,
    policies: policies.map(({ values, ...policy }) => ({ ...policy, values: [...values] })),
  };
}

/** GET and PUT /authorities/{id}/settings. */
export const CaSettingsView = z
  .object({
    options: z
      .record(z.string(), z.unknown())
      .meta({ description: 'In the words of the CA; the page of the issuer lists what can be changed.' }),
  })
  .meta({ id: 'CaSettings' });
export type CaSettingsView = z.output<typeof CaSettingsView>;

export const ChangeCaSettings = z
  .strictObject({
    options: z.record(z.string(), z.unknown()).meta({ description: 'What is absent stays as it is.' }),
  })
  .meta({ id: 'ChangeCaSettings' });
export type ChangeCaSettings = z.output<typeof ChangeCaSettings>;

export const CaOrganizationView = z
  .object({
    id: z.string(),
    name: z.string(),
    parentId: z.string().nullable().meta({ description: 'The organization of a department.' }),
  })
  .meta({ id: 'CaOrganization' });
export type CaOrganizationView = z.output<typeof CaOrganizationView>;

export const CaPersonQuery = PartQuery.extend({
  email: z.string().max(254).optional(),
  name: z.string().max(256).optional(),
  organizationId: z.string().max(64).optional(),
});

const personName = z.string().trim().min(1).max(64);
/** POST /authorities/{id}/persons. */
export const CreateCaPerson = z
  .strictObject({
    email: z.email().max(254),
    firstName: personName,
    middleName: personName.optional(),
    lastName: personName,
    organizationId: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'Of GET /authorities/{id}/organizations; a department counts too.' }),
    commonName: personName.optional(),
    phone: z.string().max(64).optional(),
    secondaryEmails: z.array(z.email().max(254)).max(20).optional(),
    eppn: z.string().max(254).optional().meta({ description: 'eduPersonPrincipalName.' }),
    upn: z.string().max(254).optional().meta({ description: 'userPrincipalName.' }),
    validation: z
      .enum(['standard', 'high'])
      .optional()
      .meta({ description: 'How well the CA is to know who the person is.' }),
  })
  .meta({ id: 'CreateCaPerson' });
export type CreateCaPerson = z.output<typeof CreateCaPerson>;

const known = z.string().nullable();
export const CaPersonView = z
  .object({
    id: z.string(),
    email: known,
    firstName: known,
    middleName: known,
    lastName: known,
    organizationId: known,
    commonName: known,
    phone: known,
    secondaryEmails: z.array(z.string()),
    eppn: known,
    upn: known,
    validation: z.enum(['standard', 'high']).nullable(),
  })
  .meta({ id: 'CaPerson' });
export type CaPersonView = z.output<typeof CaPersonView>;

export function caOrganizationView({ id, name, parentId }: CaOrganization): CaOrganizationView {
  return { id, name, parentId: parentId ?? null };
}

export function caPersonView({ id, secondaryEmails, ...person }: CaPerson): CaPersonView {
  return {
    id,
    email: person.email ?? null,
    firstName: person.firstName ?? null,
    middleName: person.middleName ?? null,
    lastName: person.lastName ?? null,
    organizationId: person.organizationId ?? null,
    commonName: person.commonName ?? null,
    phone: person.phone ?? null,
    secondaryEmails: [...(secondaryEmails ?? [])],
    eppn: person.eppn ?? null,
    upn: person.upn ?? null,
    validation: person.validation ?? null,
  };
}

const unread = {
  status: null,
  revokedAt: null,
  reason: null,
  subject: null,
  serial: null,
  sha256: null,
  notBefore: null,
  notAfter: null,
  body: null,
  chain: null,
};

/** What cannot be read is shown in part. */
export function heldView(held: Held): HeldView {
  if (held.kind === 'trouble') return { ...unread, location: held.location, detail: held.detail };
  const { location, chainPem, status, revokedAt, reason } = held;
  const [body = '', ...issuers] = chainPem;
  const known = { location, status, revokedAt: revokedAt ? instant(revokedAt) : null, reason: reason ?? null };
  try {
    const { subject, serialDecimal: serial, fingerprintSha256, notBefore, notAfter } = parseCertificate(body);
    return {
      ...known,
      subject,
      serial,
      sha256: fingerprintSha256,
      notBefore: instant(notBefore),
      notAfter: instant(notAfter),
      body,
      chain: issuers.join('') || null,
      detail: null,
    };
  } catch (error) {
    if (error instanceof PkiError) return { ...unread, ...known, detail: error.message };
    throw error;
  }
}
