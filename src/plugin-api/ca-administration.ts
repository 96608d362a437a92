import type { z } from 'zod';
import type { Options, OptionSchema } from './options.js';
import type { PluginContext } from './plugin.js';

/** A part of a list. `after`: what the part before gave as `next`; absent: from the beginning. */
export interface PartRequest {
  after?: string;
  /** At most so many. */
  count: number;
}

/** `next` is opaque; absent: this was the last part. `total`: of all parts, where the CA says it. */
export interface Part<T> {
  items: readonly T[];
  next?: string;
  total?: number;
}

/** A part of a list that the CA gives as a whole. */
export function partOfAll<T>(all: readonly T[], { after = '0', count }: PartRequest): Part<T> {
  const start = /^\d{1,9}$/.test(after) ? Number(after) : 0;
  const [items, end] = [all.slice(start, start + count), start + count];
  return { items, total: all.length, ...(end < all.length && { next: String(end) }) };
}

/** A rule set of the CA, under which it issues. Absent members: the CA does not say. */
export interface CaProfileLabel {
  id: string;
  name: string;
  description?: string;
  visible?: boolean;
  enabled?: boolean;
}

/** A value that a profile takes in, or gives out. `syntax` is in the words of the CA. */
export interface CaField {
  name: string;
  description?: string;
  syntax?: string;
  defaultValue?: string;
}

export interface CaForm {
  id?: string;
  name: string;
  className?: string;
  fields: readonly CaField[];
}

/** What a profile writes into a certificate, and what it demands of that. */
export interface CaRule {
  description?: string;
  className?: string;
  parameters: Readonly<Record<string, string>>;
}

export interface CaPolicy {
  id: string;
  sets: CaRule;
  demands: CaRule;
}

export interface CaProfile extends CaProfileLabel {
  enabled: boolean;
  /** Whether a person at the CA approves each request; false: it issues at once to those who may ask. */
  needsApproval: boolean;
  inputs: readonly CaForm[];
  outputs: readonly CaForm[];
  policySets: readonly { id?: string; policies: readonly CaPolicy[] }[];
}

/**
 * The profiles of a CA, for those who look after it. Absent verbs: its interface names profiles and does no more. The
 * faults are those of an issuer's verbs.
 */
export interface CaProfiles<S extends OptionSchema> {
  list(request: PartRequest, options: Options<S>, ctx: PluginContext): Promise<Part<CaProfileLabel>>;
  /** Null: the CA has none with this id. */
  get?(request: { id: string }, options: Options<S>, ctx: PluginContext): Promise<CaProfile | null>;
  /** Idempotent. */
  enable?(request: { id: string }, options: Options<S>, ctx: PluginContext): Promise<void>;
  /** Idempotent. */
  disable?(request: { id: string }, options: Options<S>, ctx: PluginContext): Promise<void>;
}

export const caRequestStates = ['pending', 'approved', 'issued', 'rejected', 'cancelled'] as const;
export type CaRequestState = (typeof caRequestStates)[number];

export const caRequestTypes = ['enrolment', 'renewal', 'revocation', 'release'] as const;
export type CaRequestType = (typeof caRequestTypes)[number];

/** A request as the CA keeps it, whoever made it. */
export interface CaRequestLabel {
  id: string;
  /** Absent: a type that the CA alone knows. */
  type?: CaRequestType;
  state: CaRequestState;
  /** Of the certificate that was issued for it, hex without leading zeros. */
  serialHex?: string;
  /** Why it was rejected. */
  detail?: string;
}

/** A value that will be in the certificate, and may be changed before the approval. */
export interface CaRequestValue {
  name: string;
  value: string;
  description?: string;
}

export interface CaRequest extends CaRequestLabel {
  profileId?: string;
  /** To whom it is assigned. */
  assignee?: string;
  note?: string;
  createdAt?: Date;
  csrPem?: string;
  /** What the requester filled in, without the CSR. */
  inputs: Readonly<Record<string, string>>;
  policies: readonly { id: string; description?: string; values: readonly CaRequestValue[] }[];
}

export const caRequestActions = ['approve', 'reject', 'cancel', 'assign', 'unassign', 'update', 'validate'] as const;
export type CaRequestAction = (typeof caRequestActions)[number];

/** `note` is kept with the request; `values` replace those of these names in its policies. */
export interface CaRequestDecision {
  id: string;
  action: CaRequestAction;
  note?: string;
  values?: Readonly<Record<string, string>>;
}

/** The requests at a CA, for those who decide about them. The faults are those of an issuer's verbs. */
export interface CaRequests<S extends OptionSchema> {
  list(
    request: PartRequest & { state?: CaRequestState; type?: CaRequestType },
    options: Options<S>,
    ctx: PluginContext,
  ): Promise<Part<CaRequestLabel>>;
  /** Null: the CA has none with this id. */
  get(request: { id: string }, options: Options<S>, ctx: PluginContext): Promise<CaRequest | null>;
  /**
   * Idempotent: what has been decided so already is done. `refused`: it has been decided otherwise, its values break a
   * rule of the profile, or there is no such request.
   */
  decide(request: CaRequestDecision, options: Options<S>, ctx: PluginContext): Promise<void>;
}

/**
 * The settings of a CA at its service, for those who look after it. Names and values are in the words of the service.
 * The faults are those of an issuer's verbs.
 */
export interface CaSettings<S extends OptionSchema> {
  /** What can be changed: a strict object with optional members. What is read fits it, too. */
  readonly changes: z.ZodObject;
  get(options: Options<S>, ctx: PluginContext): Promise<Record<string, unknown>>;
  /** Changes these settings and no others. Idempotent. `refused`: the CA does not take a value. */
  update(
    request: { changes: Readonly<Record<string, unknown>> },
    options: Options<S>,
    ctx: PluginContext,
  ): Promise<void>;
}

/** For whom the CA issues: an organization, or a department of one. */
export interface CaOrganization {
  id: string;
  name: string;
  /** The organization of a department. */
  parentId?: string;
}

/** A person to whom the CA issues. Absent members: the CA does not say, or is not told. */
export interface NewCaPerson {
  email: string;
  firstName: string;
  middleName?: string;
  lastName: string;
  organizationId: string;
  commonName?: string;
  phone?: string;
  secondaryEmails?: readonly string[];
  /** eduPersonPrincipalName. */
  eppn?: string;
  /** userPrincipalName. */
  upn?: string;
  /** How well the CA is to know who the person is. */
  validation?: 'standard' | 'high';
}

export interface CaPerson extends Partial<NewCaPerson> {
  id: string;
}

/** The organizations for which the account may ask. The faults are those of an issuer's verbs. */
export interface CaOrganizations<S extends OptionSchema> {
  list(options: Options<S>, ctx: PluginContext): Promise<readonly CaOrganization[]>;
}

/** The persons whom the CA knows, for those who look after them. The faults are those of an issuer's verbs. */
export interface CaPersons<S extends OptionSchema> {
  list(
    request: PartRequest & { email?: string; name?: string; organizationId?: string },
    options: Options<S>,
    ctx: PluginContext,
  ): Promise<Part<CaPerson>>;
  /** The id of the new person. `refused`: the CA knows one with this address already, or does not take a value. */
  create(person: NewCaPerson, options: Options<S>, ctx: PluginContext): Promise<{ id: string }>;
}
