import { z } from 'zod';
import { serialDecimal } from '../pki/serial.js';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { instant, InstantOut } from '../platform/http/instant.js';
import { PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { Reference } from '../platform/http/reference.js';
import { visibleText } from '../platform/http/visible-text.js';
import { type KeyStoreName, keyStoreNames } from '../platform/keys/key-store.js';
import { OwnerName } from '../roles/role-name.js';
import { type Authority, beyondCa } from './authority.entity.js';
import { authorityMembers, commonView } from './authority-label.js';
import {
  CaChainText,
  CaExtensions,
  CaNameConstraints,
  CaValidity,
  KeyStoreChoice,
  oneLength,
  subjectParts,
} from './ca.schema.js';
import type { Limits } from './limits.js';
import { optionsAsLemur } from './lemur-options.js';

/** Room is left for the roles `<name>_admin` and `<name>_operator`. */
const name = visibleText(119);
const limits = {
  isPrivate: z
    .boolean()
    .optional()
    .meta({
      description:
        'True: ALLOWED_DOMAINS does not bind it, nor do domain rules that do not name it. Sensitive names stay ' +
        'sensitive. Only an administrator changes it.',
    }),
  isCabCompliant: z
    .boolean()
    .nullish()
    .meta({
      description:
        'True: it keeps to the validity that the CA/Browser Forum allows for publicly trusted TLS at ' +
        'the date of issuance (200, 100, 47 days). Only an administrator frees it from that.',
    }),
  isCnOptional: z.boolean().optional().meta({ description: 'False: a request needs a common name.' }),
  validityBeyondCa: z
    .enum(beyondCa)
    .optional()
    .meta({
      description:
        'What becomes of a request whose validity ends after the authority itself: `refuse` (default), or `shorten` ' +
        'to the end of the authority. No certificate outlives its authority.',
    }),
  defaultProfile: Reference.nullish().meta({ description: 'The certificate profile of requests that name none.' }),
  allowedProfiles: z
    .array(Reference)
    .max(100)
    .optional()
    .meta({
      description:
        'The only profiles that it issues by; a request without a profile is then refused unless there is a default. ' +
        'Empty: all profiles, and none. Only an administrator allows more.',
    }),
  maxValidityDays: z.int().min(1).max(11_000).nullish().meta({
    description: 'The longest validity that it and the authorities below it issue. Only an administrator raises it.',
  }),
  defaultValidityDays: z
    .int()
    .min(1)
    .max(11_000)
    .nullish()
    .meta({ description: 'For requests that name no validity.' }),
  orderDeadlineDays: z
    .int()
    .min(1)
    .max(365)
    .nullish()
    .meta({
      description:
        'Days until an order that the issuer has not fulfilled fails, is cancelled at the CA, and its owner is told. ' +
        'Default: 14. The issuer may name an earlier end.',
    }),
};

/** POST /authorities. */
export const CreateAuthority = z
  .strictObject({
    name,
    owner: OwnerName,
    description: z.string().max(1024).nullish(),
    type: z.enum(['root', 'subca']).default('root'),
    parent: Reference.optional().meta({ description: 'For `subca`: the authority that signs it.' }),
    plugin: PluginInput.optional().meta({ description: 'Default: DEFAULT_ISSUER_PLUGIN, else the local CA.' }),
    chain: CaChainText.optional().meta({
      description:
        'For a CA that exists already, PEM: its certificate first, then the CAs above it. No key is made; subject, ' +
        'validity, key and extensions are those of the certificate, whatever the request says. Not needed for an ' +
        'issuer that tells its certificates.',
    }),
    privateKey: z.string().min(1).max(65_536).optional().meta({
      writeOnly: true,
      description: 'Imports a CA for the local CA: the private key of the first certificate in `chain`, as PEM.',
    }),
    pkcs12: z
      .base64()
      .min(1)
      .max(262_144)
      .optional()
      .meta({ writeOnly: true, description: 'The same as a PKCS#12 file in base64, with its certificates.' }),
    passphrase: z
      .string()
      .max(1024)
      .optional()
      .meta({ writeOnly: true, description: 'Opens `pkcs12`, or an encrypted `privateKey`.' }),
    commonName: z.string().min(1).max(64).optional().meta({ description: 'Needed for a new CA.' }),
    ...subjectParts,
    ...CaValidity,
    keyType: z
      .string()
      .max(40)
      .optional()
      .meta({ description: 'Default: ECCPRIME256V1, or RSA2048 when signingAlgorithm names RSA.' }),
    signingAlgorithm: z
      .enum(['sha256WithRSA', 'sha256WithECDSA', 'sha384WithECDSA', 'sha512WithECDSA', 'ed25519'])
      .optional()
      .meta({
        description:
          'The key decides how it signs, so the two must fit: ECDSA goes by sha256 with ' +
          'ECCPRIME256V1, sha384 with ECCSECP384R1, sha512 with ECCSECP521R1. Default: as keyType.',
      }),
    pathLength: z
      .int()
      .min(0)
      .max(10)
      .nullish()
      .meta({ description: 'How many CAs may stand below it. Default: no limit for a root, 0 for a subca.' }),
    nameConstraints: CaNameConstraints,
    keyStore: KeyStoreChoice,
    sensitivity: z
      .literal('medium', 'Use `keyStore` to keep the key in a hardware module; `high` alone promises nothing.')
      .optional()
      .meta({ description: "Accepted as Lemur's default." }),
    serialNumber: z
      .union([z.int().min(1), z.string().regex(/^[1-9]\d{0,47}$/, 'Expected a positive number of at most 48 digits')])
      .refine(
        (serial) => !/^\d{1,48}$/.test(String(serial)) || BigInt(serial) < 2n ** 159n,
        'A serial number has at most 20 octets (RFC 5280 §4.1.2.2)',
      )
      .nullish()
      .meta({
        description:
          'Of the certificate of a root; default: random. The parent chooses that of a subca, so that it is unique.',
      }),
    firstSerial: z
      .literal([1, 1000], 'Serial numbers are random; there is no first one.')
      .nullish()
      .meta({ description: 'Accepted as the default of Lemur and that of its page; serial numbers are random.' }),
    email: z
      .unknown()
      .optional()
      .meta({ description: 'Ignored: subjects carry no e-mail address (RFC 5280 §4.1.2.6); mail goes to the owner.' }),
    keyName: z.null({ error: 'Keys are kept sealed here and have no name.' }).optional(),
    extensions: CaExtensions.optional(),
    roles: z.array(Reference).max(100).optional(),
    ...limits,
  })
  .refine((r) => r.type === 'root' || r.serialNumber == null || String(r.serialNumber) === '1', {
    message: 'The parent chooses the serial number.',
    path: ['serialNumber'],
  })
  .refine(
    (r) =>
      r.extensions?.basicConstraints?.pathLength == null ||
      r.pathLength == null ||
      r.extensions.basicConstraints.pathLength === r.pathLength,
    { message: 'The request gives another one as pathLength.', path: ['extensions', 'basicConstraints', 'pathLength'] },
  )
  .refine((r) => r.privateKey === undefined || r.pkcs12 === undefined, {
    message: 'Give only one of privateKey and pkcs12.',
    path: ['pkcs12'],
  })
  .refine((r) => r.type === 'root' || r.parent !== undefined, { message: 'A subca needs a parent.', path: ['parent'] })
  .refine((r) => r.type === 'subca' || r.parent === undefined, { message: 'A root has no parent.', path: ['parent'] })
  .refine(...oneLength)
  .meta({ id: 'CreateAuthority' });
export type CreateAuthority = z.output<typeof CreateAuthority>;

const asRead = z.unknown().optional().meta({ description: 'Ignored: clients send back what they got.' });

/** PUT /authorities/{id}. What is absent stays as it is. */
export const UpdateAuthority = z
  .strictObject({
    owner: OwnerName,
    description: z.string().max(1024).nullish(),
    active: z
      .boolean()
      .optional()
      .meta({ description: 'False: nothing is issued from it any more. Only an administrator makes it active again.' }),
    roles: z.array(Reference).max(100).optional().meta({ description: 'All roles; that of the owner stays.' }),
    plugin: PluginInput.optional(),
    options: z
      .union([
        z.string().max(65_536),
        z.array(z.looseObject({ name: z.string() })).max(200),
        z.record(z.string(), z.unknown()),
      ])
      .optional()
      .meta({
        writeOnly: true,
        description:
          "Lemur's form of the options: a list of {name, value}, an object, or either as JSON text. " +
          '`cab_compliant` and `cn_optional` are among them; options that are not named stay.',
      }),
    ...limits,
    name: z.string().max(128).optional().meta({ description: 'Stays as it is: another one is refused.' }),
    id: asRead,
    parentId: asRead,
    keyStore: asRead,
    maxIssuanceDays: asRead,
    authorityCertificate: asRead,
    dateCreated: asRead,
  })
  .meta({ id: 'UpdateAuthority' });
export type UpdateAuthority = z.output<typeof UpdateAuthority>;

export const AuthorityRole = z.object({ id: z.int(), name: z.string(), description: z.string() });
export type AuthorityRole = z.output<typeof AuthorityRole>;

const ProfileName = z.object({ id: z.int(), name: z.string() });

const AuthorityCreator = z.object({ id: z.int(), username: z.string(), email: z.string(), active: z.boolean() });
export type AuthorityCreator = z.output<typeof AuthorityCreator>;

export const AuthorityView = z
  .object({
    ...authorityMembers,
    parentId: z.int().nullable(),
    plugin: PluginView,
    options: z.string().meta({ description: "The same in Lemur's form: JSON text of a list of {name, value}." }),
    roles: z.array(AuthorityRole),
    maxValidityDays: z.int().nullable(),
    orderDeadlineDays: z.int().nullable(),
    isPrivate: z.boolean(),
    validityBeyondCa: z.enum(beyondCa),
    keyStore: z.enum(keyStoreNames).nullable().meta({ description: 'Null: its key is elsewhere.' }),
    defaultProfile: ProfileName.nullable(),
    allowedProfiles: z.array(ProfileName),
    authorityCertificate: z.object({
      id: z.int().meta({ description: 'Of the authority: its certificate is not among `/certificates`.' }),
      name: z.string(),
      owner: z.string(),
      description: z.string().nullable(),
      active: z.boolean(),
      status: z.null().meta({ description: 'Whether it is revoked is not known here.' }),
      user: AuthorityCreator.nullable().meta({ description: 'Who made the authority.' }),
      body: z.string(),
      chain: z.string().nullable(),
      cn: z.string(),
      serial: z.string(),
      notBefore: InstantOut,
      notAfter: InstantOut,
      keyType: z.string(),
      bits: z.int(),
      signingAlgorithm: z.string(),
      pathLength: z.int().nullable(),
    }),
    dateCreated: InstantOut,
  })
  .meta({ id: 'Authority' });
export type AuthorityView = z.output<typeof AuthorityView>;

/** What a view shows besides the row of the authority. */
export interface AuthorityContext {
  roles: readonly AuthorityRole[];
  limits: Limits;
  plugin: PluginView;
  creator: AuthorityCreator | null;
  keyStore: KeyStoreName | null;
  /** By id: at least the profiles of the authority. */
  profileNames: ReadonlyMap<number, string>;
  now: Date;
}

/** Names every member that a client gets. */
export function authorityView(
  authority: Authority,
  { roles, limits, plugin, creator, keyStore, profileNames, now }: AuthorityContext,
): AuthorityView {
  const profile = (id: number) => ({ id, name: profileNames.get(id) ?? '' });
  return {
    ...commonView(authority, limits, now),
    parentId: authority.parentId,
    plugin,
    options: optionsAsLemur(authority, plugin),
    roles: [...roles],
    maxValidityDays: authority.maxValidityDays,
    orderDeadlineDays: authority.orderDeadlineDays,
    isPrivate: authority.isPrivate,
    validityBeyondCa: authority.validityBeyondCa,
    keyStore,
    defaultProfile: authority.defaultProfileId === null ? null : profile(authority.defaultProfileId),
    allowedProfiles: authority.allowedProfileIds.map(profile),
    authorityCertificate: {
      body: authority.certificatePem,
      id: authority.id,
      name: authority.name,
      owner: authority.owner,
      description: authority.description,
      active: authority.active,
      status: null,
      user: creator,
      chain: authority.chainPem.join('') || null,
      cn: authority.commonName,
      serial: serialDecimal(authority.serialHex),
      notBefore: instant(authority.notBefore),
      notAfter: instant(authority.notAfter),
      keyType: authority.keyType,
      bits: authority.bits,
      signingAlgorithm: authority.signingAlgorithm,
      pathLength: authority.pathLength,
    },
    dateCreated: instant(authority.createdAt),
  };
}

export const AuthorityQuery = listQuery('id', 'name', 'owner', 'active', 'cn', 'notAfter').extend({
  owner: z.string().max(128).toLowerCase().optional(),
  active: queryBoolean().optional(),
  profile: z.string().max(128).optional().meta({
    description:
      'Id or name of a profile: only authorities for which it is the default one or one of the allowed ones.',
  }),
});
export type AuthorityQuery = z.output<typeof AuthorityQuery>;
