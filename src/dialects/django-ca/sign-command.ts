import type { Authority } from '../../authorities/authority.entity.js';
import { readCsr } from '../../certificates/issue/csr-terms.js';
import { extensionFault, unrequestableUsage } from '../../certificates/issue/extensions.schema.js';
import { type GivenContent, subjectOfAttributes, withContent } from '../../certificates/issue/given-content.js';
import { commandForCsr, type IssueCommand, type IssueDefaults } from '../../certificates/issue/issue-command.js';
import { IssueRequest } from '../../certificates/issue/issue.schema.js';
import { integer, sequence } from '../../pki/der/writer.js';
import { normaliseSan } from '../../pki/subject-alt-name.js';
import { blame } from '../../platform/http/blame.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid } from '../../platform/http/problem.js';
import { validate } from '../../platform/http/validate.js';
import type { RawExtension } from '../../plugin-api/terms.js';
import { ownerFor } from '../../roles/team.js';
import { keyUsages, nameTypes } from './names.js';
import { profileHere } from './profile-names.js';
import { type Extension, type SignBody, tlsFeatures } from './sign.schema.js';

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
 * The owner is the team of the user who asks (see `ownerFor`), else that of the authority. Throws Problem
 * `invalid-request`.
 */
export async function signCommand(asking: Asking, body: SignBody): Promise<IssueCommand> {
  const { actor, authority, defaults, idempotencyKey } = asking;
  if (body.algorithm) demandAlgorithm(authority, body.algorithm);
  const content = contentOf(body);
  const csr = withContent(await readCsr(body.csr), content);
  if (csr.commonNames.length === 0 && csr.subjectAltNames.length === 0)
    throw invalid('subject', 'Give a common name, or alternative names in the extensions.');
  const request = validate(IssueRequest, {
    owner: ownerFor(actor) ?? authority.owner,
    authority: { id: authority.id },
    validityEnd: (body.notAfter ?? body.expires)?.toISOString(),
    profile: body.profile ? { name: profileHere(body.profile) } : undefined,
  });
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
