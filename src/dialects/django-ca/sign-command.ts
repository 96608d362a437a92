import type { Authority } from '../../authorities/authority.entity.js';
import type { Certificate } from '../../certificates/certificate.entity.js';
import { readCsr } from '../../certificates/issue/csr-terms.js';
import { extensionFault, unrequestableUsage } from '../../certificates/issue/extensions.schema.js';
import { type GivenContent, subjectOfAttributes, withContent } from '../../certificates/issue/given-content.js';
import { commandForCsr, type IssueCommand, type IssueDefaults } from '../../certificates/issue/issue-command.js';
import type { IssueRequest } from '../../certificates/issue/issue.schema.js';
import { loadTerms } from '../../certificates/terms.js';
import { integer, sequence } from '../../pki/der/writer.js';
import { encodeSubject } from '../../pki/names.js';
import { normaliseSan } from '../../pki/subject-alt-name.js';
import { blame } from '../../platform/http/blame.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import type { RawExtension } from '../../plugin-api/terms.js';
import { keyUsages, nameTypes } from './names.js';
import { profileHere } from './profile-names.js';
import { type Extension, type ResignBody, type SignBody, tlsFeatures } from './sign.schema.js';

/** What every command of this dialect is made with. */
export interface Asking {
  actor: Actor;
  authority: Authority;
  defaults: IssueDefaults;
  idempotencyKey: string | undefined;
}

type Of<T extends Extension['type']> = Extract<Extension, { type: T }>;

/**
 * The command of a request to sign: subject and extensions are those of the body, and of the CSR only the key counts.
 * The user who asks owns the certificate. Throws Problem `invalid-request`.
 */
export async function signCommand(asking: Asking, body: SignBody): Promise<IssueCommand> {
  const { actor, authority, defaults, idempotencyKey } = asking;
  if (body.algorithm) demandAlgorithm(authority, body.algorithm);
  const content = contentOf(body);
  const csr = withContent(await readCsr(body.csr), content);
  if (csr.commonNames.length === 0 && csr.subjectAltNames.length === 0)
    throw invalid('subject', 'Give a common name, or alternative names in the extensions.');
  const request: IssueRequest = {
    owner: actor.email,
    authority: { id: authority.id },
    validityEnd: body.notAfter ?? body.expires ?? undefined,
    profile: body.profile ? { name: profileHere(body.profile) } : undefined,
  };
  return commandForCsr(actor, request, csr, defaults, idempotencyKey);
}

/**
 * The command to sign a certificate again: the same key, content, profile and owner, with another end. The new one
 * replaces it. Throws Problem `invalid-request`, and `wrong-state` when no CSR of it is stored or its key is kept here.
 */
export async function resignCommand(asking: Asking, old: Certificate, body: ResignBody): Promise<IssueCommand> {
  const { actor, authority, defaults, idempotencyKey } = asking;
  // The new certificate would stand at the destinations of this one without the key.
  if (old.sealedKey !== null)
    throw new Problem(
      'wrong-state',
      'The key of this certificate is kept here: renew it with POST /certificates/{id}/rotate.',
    );
  if (old.csrPem === null) throw new Problem('wrong-state', 'Cannot resign certificate without a CSR.');
  const { subject, subjectDer = encodeSubject(subject), ...terms } = loadTerms(old.terms);
  const csr = withContent(await readCsr(old.csrPem), { subjectDer, ...terms });
  const request: IssueRequest = {
    owner: old.owner,
    authority: { id: authority.id },
    validityEnd: body.notAfter ?? undefined,
    profile: old.profileId === null ? undefined : { id: old.profileId },
    ...(old.state === 'issued' && { replaces: [{ id: old.id }] }),
  };
  return commandForCsr(actor, request, csr, defaults, idempotencyKey);
}

/** ECDSA goes by the hash of the size of the key. The CA decides where its key is elsewhere. */
function demandAlgorithm({ keyId, keyType }: Authority, algorithm: string): void {
  if (keyId === null) throw invalid('algorithm', 'The CA chooses how it signs: leave it out.');
  const own = keyType === 'ECCSECP384R1' ? 'SHA-384' : keyType === 'ECCSECP521R1' ? 'SHA-512' : 'SHA-256';
  if (keyType === 'ED25519') throw invalid('algorithm', 'An Ed25519 key signs without another hash: leave it out.');
  if (algorithm.toUpperCase() !== own) throw invalid('algorithm', `The key of this CA signs with ${own}.`);
}

function contentOf({ subject, extensions }: SignBody): GivenContent {
  const all = extensions ?? [];
  const find = <T extends Extension['type']>(type: T): Of<T> | undefined =>
    all.find((extension): extension is Of<T> => extension.type === type);
  const place = (type: Extension['type']): string => `extensions.${all.findIndex((one) => one.type === type)}`;
  const subjectDer = subjectOfAttributes(subject, 'subject');
  const names = find('subject_alternative_name');
  demandCritical(names, subject.length === 0, place('subject_alternative_name'));
  demandCritical(find('key_usage'), true, place('key_usage'));
  demandCritical(find('extended_key_usage'), false, place('extended_key_usage'));
  demandCritical(find('tls_feature'), false, place('tls_feature'));
  const features = find('tls_feature');
  const purposes = find('extended_key_usage')?.value ?? [];
  const unwanted = unrequestableUsage(purposes);
  if (unwanted !== undefined)
    throw invalid(`${place('extended_key_usage')}.value`, `${unwanted} is not issued on request.`);
  return {
    subjectDer,
    subjectAltNames: (names?.value ?? []).map(({ type, value }, i) =>
      blame(`${place('subject_alternative_name')}.value.${i}`, () => normaliseSan({ type: nameTypes[type], value })),
    ),
    keyUsage: (find('key_usage')?.value ?? []).map((usage) => keyUsages[usage]),
    extendedKeyUsage: purposes,
    extensions: features ? [tlsFeature(features, place('tls_feature'))] : [],
  };
}

/** RFC 5280 leaves some of this open; what is issued here is the same for every request. */
function demandCritical(extension: Extension | undefined, isCritical: boolean, place: string): void {
  const { critical = isCritical } = extension ?? {};
  if (critical !== isCritical)
    throw invalid(`${place}.critical`, `This extension is ${isCritical ? 'critical' : 'not critical'} here.`);
}

function tlsFeature({ value }: Of<'tls_feature'>, place: string): RawExtension {
  const numbers = [...new Set(value.map((name) => tlsFeatures[name]))].sort((a, b) => a - b);
  const extension = { oid: '1.3.6.1.5.5.7.1.24', critical: false, valueDer: sequence(...numbers.map(integer)) };
  const fault = extensionFault(extension);
  if (fault) throw invalid(`${place}.value`, fault);
  return extension;
}
