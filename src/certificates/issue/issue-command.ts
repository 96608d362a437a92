import { createHash } from 'node:crypto';
import { demandSubject } from '../../authorities/ca-request.js';
import { resolveKeyType } from '../../pki/key.js';
import { commonNamesOf, fieldsOf } from '../../pki/names.js';
import { rebuildName } from '../../pki/requested-name.js';
import type { Config } from '../../platform/config.js';
import type { Actor } from '../../platform/http/actor.js';
import { blame } from '../../platform/http/blame.js';
import { type Fault, Faults } from '../../platform/http/faults.js';
import { invalid } from '../../platform/http/problem.js';
import type { Reference } from '../../platform/http/reference.js';
import type { SubjectFields } from '../../plugin-api/terms.js';
import type { Implied } from '../../profiles/asked-terms.js';
import { vouchingRole } from '../../roles/permission.js';
import type { Care } from '../certificate.repository.js';
import type { LinkWishes } from '../relations.js';
import type { Inheritance, Renewal } from '../successors.js';
import type { TermsWithoutDates } from '../terms.js';
import { impliedByCsr, overriddenCsr, readCsr, type RequestedCsr, termsOfCsr, withoutOverrides } from './csr-terms.js';
import { rawExtensionsOf, sansOf } from './extensions.schema.js';
import { type IssuerExtensionWish, issuerExtensionWishes } from './issuer-extensions.js';
import type { IssueRequest } from './issue.schema.js';
import {
  impliedUsages,
  namesOf,
  purposesOf,
  usagesOf,
  withCommonName,
  withCommonNames,
  without,
} from './request-members.js';
import type { ValidityWish } from './validity.js';

/** The key of a CSR, or the type of the key that is made here. */
export type KeyWish = { csr: RequestedCsr; keyType?: undefined } | { csr?: undefined; keyType: string };

/** The Idempotency-Key of a request, and the SHA-256 of that request, lower hex. */
export interface RequestMark {
  key: string;
  sha256: string;
}

/**
 * The command to issue one certificate. REST, renewals and the command line all make one for IssueService. It is parsed
 * and well-formed. Rights, domain policy and the limits of the authority are checked when it runs.
 */
export interface IssueCommand extends Care {
  actor: Actor;
  authority: Reference;
  /** The profile to issue by. Default: that of the authority; for a renewal, that of the predecessor. */
  profile?: Reference;
  /** Names, usages and extensions as they are without a profile. */
  terms: TermsWithoutDates;
  /** The parts of the terms that the request did not ask for; only a profile needs to know. */
  implied: () => Implied;
  key: KeyWish;
  /** What is wrong with the request by itself; Approval refuses it, with what else is wrong. */
  faults?: readonly Fault[];
  /** Empty for a renewal, which has the validity period of its predecessor. */
  validity: ValidityWish;
  issuerExtensions: readonly IssuerExtensionWish[];
  /** The name of the certificate in this program. Default: a name made of its names, issuer and dates. */
  name?: string;
  /** Empty for a renewal and for an heir, which have the links of their predecessors. */
  links: LinkWishes;
  mark?: RequestMark;
  renews?: Renewal;
  /** For an outlook on a renewal: when it would be issued, if that is not before now. */
  asOf?: Date;
  /** The certificate is signed and not stored. Its profile must want that. */
  unstored?: true;
  /**
   * A certificate with the same key and content, whose place and links the new one takes without being its renewal. The
   * actor needs the right to replace it, and none to its links.
   */
  heirOf?: Inheritance;
}

/** The settings that fill in missing members of a request. */
export type IssueDefaults = Pick<
  Config,
  | 'defaultAuthority'
  | 'defaultCountry'
  | 'defaultState'
  | 'defaultLocation'
  | 'defaultOrganization'
  | 'defaultOrganizationalUnit'
>;

const defaultKeyType = 'ECCPRIME256V1';

/**
 * Makes the command of a POST /certificates. `idempotencyKey`: a repeated request returns the certificate of the first.
 * What is wrong with the request is in `faults` of the command; a CSR that cannot be read is refused at once: throws
 * Problem `invalid-request`.
 */
export async function commandOf(
  actor: Actor,
  request: IssueRequest,
  defaults: IssueDefaults,
  idempotencyKey?: string,
): Promise<IssueCommand> {
  const { csr: csrPem } = request;
  const faults = new Faults();
  const parts =
    csrPem === undefined
      ? ofMembers(request, defaults, faults)
      : termsAndKey(await readCsr(csrPem, faults), request, faults);
  return commandWith(parts, actor, { request, defaults, idempotencyKey, faults });
}

/**
 * As `commandOf`, for a key that is made here and a subject with any attributes in any order. Members of the request
 * that are parts of a subject do not count. Throws PkiError `bad-name` too.
 */
export function commandForSubject(
  actor: Actor,
  request: IssueRequest,
  subjectDer: Buffer,
  defaults: IssueDefaults,
  idempotencyKey?: string,
): IssueCommand {
  const asked = [request, subjectDer.toString('hex')];
  return commandWith(ofSubject(request, subjectDer), actor, { request, defaults, idempotencyKey, asked });
}

/** As `commandOf`, for a CSR that has been read, and whose content other content may have taken the place of. */
export function commandForCsr(
  actor: Actor,
  request: IssueRequest,
  csr: RequestedCsr,
  defaults: IssueDefaults,
  idempotencyKey?: string,
): IssueCommand {
  const { der, subjectDer, subjectAltNames, keyUsage, extendedKeyUsage, extensions } = csr;
  const binaries = [der, subjectDer].map((one) => one.toString('hex'));
  const asked = [request, ...binaries, subjectAltNames, keyUsage, extendedKeyUsage, extensions];
  const faults = new Faults();
  const parts = termsAndKey(csr, withoutOverrides(request), faults);
  return commandWith(parts, actor, { request, defaults, idempotencyKey, asked, faults });
}

/**
 * Makes the command of a POST /authorities/{id}/sign: as `commandOf`, but the subject and the names of the request take
 * the place of those of the CSR.
 */
export async function signCommandOf(
  actor: Actor,
  request: IssueRequest,
  defaults: IssueDefaults,
  idempotencyKey?: string,
): Promise<IssueCommand> {
  if (request.csr === undefined) throw invalid('csr', 'Missing: send a PKCS#10 request in PEM.');
  const faults = new Faults();
  const csr = overriddenCsr(await readCsr(request.csr, faults), request, faults);
  const parts = termsAndKey(csr, withoutOverrides(request), faults);
  return commandWith(parts, actor, { request, defaults, idempotencyKey, faults });
}

interface Asking {
  request: IssueRequest;
  defaults: IssueDefaults;
  idempotencyKey?: string;
  /** All that decides about the certificate, where that is more than the request. */
  asked?: unknown;
  faults?: Faults;
}

function commandWith(
  { terms, implied, key }: TermsAndKey,
  actor: Actor,
  { request, defaults, idempotencyKey, asked = request, faults }: Asking,
): IssueCommand {
  const { owner, name, description, labels, notify, active, rotation, rotationPolicy } = request;
  return {
    actor,
    authority: request.authority ?? defaultAuthority(defaults),
    profile: request.profile,
    terms,
    implied,
    key,
    ...(faults && faults.all.length > 0 && { faults: faults.all }),
    validity: request,
    issuerExtensions: issuerExtensionWishes(request.extensions),
    name,
    owner,
    description: description ?? null,
    labels: labels ?? [],
    creatorId: actor.userId || null,
    vouchingRole: vouchingRole(actor, owner),
    notify: notify ?? active ?? true,
    rotation: rotation ?? rotationPolicy !== undefined,
    links: request,
    mark:
      idempotencyKey === undefined
        ? undefined
        : { key: idempotencyKey, sha256: createHash('sha256').update(JSON.stringify(asked)).digest('hex') },
  };
}

/** The same command of an actor whose rights have been read again. */
export function commandBy(actor: Actor, command: IssueCommand): IssueCommand {
  const { owner, renews } = command;
  return { ...command, actor, vouchingRole: renews ? command.vouchingRole : vouchingRole(actor, owner) };
}

type TermsAndKey = Pick<IssueCommand, 'terms' | 'implied' | 'key'>;

function termsAndKey(csr: RequestedCsr, request: IssueRequest, faults: Faults): TermsAndKey {
  return { terms: termsOfCsr(csr, request, faults), implied: () => impliedByCsr(csr, request), key: { csr } };
}

function ofMembers(request: IssueRequest, defaults: IssueDefaults, faults: Faults): TermsAndKey {
  const wanted = request.keyType ?? defaultKeyType;
  const keyType = faults.keep(() => blame('keyType', () => resolveKeyType(wanted)), defaultKeyType);
  const { subject, implied } = subjectOf(request, defaults);
  for (const [member, value] of Object.entries<string>(subject as Record<string, string>))
    faults.keep(() => demandSubject({ [member]: value }), undefined);
  const asked = namesOf(request, faults);
  const names = withCommonName(subject.commonName, asked);
  if (!subject.commonName && sansOf(request.extensions).length === 0)
    faults.add('commonName', 'Missing common_name: give it or at least one name.');
  return {
    key: { keyType },
    terms: {
      subject,
      subjectAltNames: names,
      keyUsage: usagesOf(request, keyType, faults),
      extendedKeyUsage: purposesOf(request),
      extensions: rawExtensionsOf(request.extensions),
    },
    implied: () => ({ subject: implied(), subjectAltNames: without(names, asked), ...impliedUsages(request) }),
  };
}

function ofSubject(request: IssueRequest, nameDer: Buffer): TermsAndKey {
  const keyType = blame('keyType', () => resolveKeyType(request.keyType ?? defaultKeyType));
  const { name, der: subjectDer } = rebuildName(nameDer);
  const asked = namesOf(request);
  const names = withCommonNames(commonNamesOf(name), asked);
  return {
    key: { keyType },
    terms: {
      subject: fieldsOf(name),
      subjectDer,
      subjectAltNames: names,
      keyUsage: usagesOf(request, keyType),
      extendedKeyUsage: purposesOf(request),
      extensions: rawExtensionsOf(request.extensions),
    },
    implied: () => ({ subject: [], subjectAltNames: without(names, asked), ...impliedUsages(request) }),
  };
}

/**
 * The subject of a request. A default fills a missing member, which is then `implied`; an empty text leaves the member
 * out.
 */
function subjectOf(
  request: IssueRequest,
  defaults: IssueDefaults,
): { subject: SubjectFields; implied: () => (keyof SubjectFields)[] } {
  const entries: [keyof SubjectFields, string | undefined][] = [
    ['commonName', request.commonName],
    ['country', request.country ?? defaults.defaultCountry],
    ['state', request.state ?? defaults.defaultState],
    ['location', request.location ?? defaults.defaultLocation],
    ['organization', request.organization ?? defaults.defaultOrganization],
    ['organizationalUnit', request.organizationalUnit ?? defaults.defaultOrganizationalUnit],
  ];
  const filled = entries.filter(([, value]) => value);
  return {
    subject: Object.fromEntries(filled),
    implied: () => filled.map(([member]) => member).filter((member) => request[member] === undefined),
  };
}

function defaultAuthority({ defaultAuthority: name }: IssueDefaults): Reference {
  if (!name) throw invalid('authority', 'Name an authority: no default one is configured.');
  return { name };
}
