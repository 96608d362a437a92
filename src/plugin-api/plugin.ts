import type { z } from 'zod';
import type { CounterpartSource, Found, FoundRef } from './found.js';
import type { Options, OptionSchema } from './options.js';
import type { Site } from './site.js';

export type PluginKind = 'issuer' | 'export' | 'destination' | 'source' | 'notification';

/** What every call gets beside its options. Plugins are stateless: nothing of one call may reach the next. */
export interface PluginContext {
  /** Aborted at shutdown and on timeout; a plugin stops soon after. */
  readonly signal: AbortSignal;
  now(): Date;
  log(message: string, fields?: object): void;
  readonly site: Site;
}

export interface Plugin<K extends PluginKind, S extends OptionSchema> {
  readonly kind: K;
  /** kebab-case, unique over all kinds, stored with rows: never renamed. */
  readonly id: string;
  /** Lemur slugs that answer for this plugin. */
  readonly aliases?: readonly string[];
  readonly title: string;
  readonly description: string;
  readonly options: S;
  /**
   * Whether this installation lets the plugin work with these options; asked when they are written. Changes nothing and
   * asks nobody outside. Throws PluginError `misconfigured`.
   */
  admit?(options: Options<S>, ctx: PluginContext): Promise<void>;
  /** Read-only probe behind "Test connection". Throws PluginError. */
  check?(options: Options<S>, ctx: PluginContext): Promise<void>;
}

/** Signs bytes with an authority's private key, which itself never leaves the core. */
export interface Signer {
  /** `ec` and `ed25519` and `rsa` as in node:crypto; `namedCurve` for EC, e.g. `prime256v1`. */
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
  readonly namedCurve?: string;
  /** SubjectPublicKeyInfo of the key, DER. */
  readonly spkiDer: Buffer;
  /** Signature over `data` (DER-encoded for ECDSA). `hash` is a node:crypto digest name; null for Ed25519. */
  sign(hash: string | null, data: Buffer): Promise<Buffer>;
}

/** An X.509 name as a user gives it; absent members are left out of the DN. */
export interface SubjectFields {
  commonName?: string;
  country?: string;
  state?: string;
  location?: string;
  organization?: string;
  organizationalUnit?: string;
}

export type SanType = 'dns' | 'ip' | 'email' | 'uri' | 'registeredId';
export interface SubjectAltName {
  type: SanType;
  value: string;
}

/** RFC 5280 §4.2.1.3 names in order of their bits. */
export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** An extension already in DER, for what has no field of its own. `valueDer` is the content of extnValue. */
export interface RawExtension {
  oid: string;
  critical: boolean;
  valueDer: Buffer;
}

/** Extensions in which an authority says where to ask about what it has issued (RFC 5280 §4.2.2.1, §4.2.1.13). */
export type ServiceExtension = 'authorityInfoAccess' | 'crlDistributionPoints';

/**
 * What was approved for one certificate. An issuer gets the CSR and these facts, never a private key of the subject.
 */
export interface CertificateTerms {
  subject: SubjectFields;
  /** The exact subject DN of the CSR, DER, when it is to be kept as it is. */
  subjectDer?: Buffer;
  subjectAltNames: readonly SubjectAltName[];
  keyUsage: readonly KeyUsage[];
  /** OIDs in dotted form. */
  extendedKeyUsage: readonly string[];
  extensions: readonly RawExtension[];
  /** Those that this certificate shall not carry; only for plugins that declare `services`. */
  leaveOut?: readonly ServiceExtension[];
  notBefore: Date;
  notAfter: Date;
}

export interface SignRequest {
  csrPem: string;
  /** SubjectPublicKeyInfo of the CSR, DER; its proof of possession has been verified. */
  spkiDer: Buffer;
  terms: CertificateTerms;
  /** The same on every retry of one issuance. */
  idempotencyKey: string;
  /** The issuing CA: its certificate, its chain (issuer first, root last), and its key where the core holds it. */
  authority: AuthorityMaterial;
}

export interface AuthorityMaterial {
  /** Changes whenever certificate, key or options change; lets a plugin cache what it derives. */
  readonly cacheKey: string;
  readonly certificatePem: string;
  readonly chainPem: readonly string[];
  readonly signer?: Signer;
}

/** `chainPem` is leaf first, then issuers in order, without the root unless the issuer is the root itself. */
export type Signed =
  | { status: 'issued'; chainPem: readonly string[]; externalId?: string }
  | { status: 'pending'; orderRef: string; pollAfterS: number };

export interface CreateAuthorityRequest {
  subject: SubjectFields;
  notBefore: Date;
  notAfter: Date;
  /** Maximum number of CAs below; undefined = no limit. */
  pathLength?: number;
  /** The serial number of its certificate, an unsigned magnitude; undefined = the plugin chooses. */
  serial?: Buffer;
  /** The key of the new CA, made by the core. */
  signer: Signer;
  /** Absent for a root. */
  parent?: AuthorityMaterial;
}

export interface IssuerPlugin<S extends OptionSchema> extends Plugin<'issuer', S> {
  /** True when `sign` is pure computation in this process, so that the caller may wait for it inside a request. */
  readonly inProcess: boolean;
  sign(request: SignRequest, options: Options<S>, ctx: PluginContext): Promise<Signed>;
  /**
   * The extensions about its services that certificates get unless their terms leave them out. Absent: its CA alone
   * decides. Pure.
   */
  services?(options: Options<S>): readonly ServiceExtension[];
  /** Makes the CA's own certificate; `chainPem` starts with it. Absent when the CA exists elsewhere. */
  createAuthority?(
    request: CreateAuthorityRequest,
    options: Options<S>,
    ctx: PluginContext,
  ): Promise<{ chainPem: readonly string[] }>;
  poll?(orderRef: string, options: Options<S>, ctx: PluginContext): Promise<Signed>;
  cancel?(orderRef: string, options: Options<S>, ctx: PluginContext): Promise<void>;
  revoke?(certificate: RevokeRequest, options: Options<S>, ctx: PluginContext): Promise<void>;
  /** Says that a certificate is out of use, where a CA counts those that are; it stays valid. */
  deactivate?(certificate: IssuedRef, options: Options<S>, ctx: PluginContext): Promise<void>;
}

/** A certificate that an issuer has issued. `chainPem` is leaf first. */
export interface IssuedRef {
  chainPem: readonly string[];
  externalId?: string;
}

/** `reason` is the CRLReason code of RFC 5280 §5.3.1. */
export interface RevokeRequest extends IssuedRef {
  reason: number;
  comments?: string;
}

/**
 * A certificate on its way out of the house. `chainPem` is leaf first. The key is there only for plugins that declare
 * `needsPrivateKey`.
 */
export interface Bundle {
  /** The certificate's unique name. */
  name: string;
  /** Common name, or the first SAN: what a person calls it; stays the same over rotations. */
  commonName: string;
  serialHex: string;
  chainPem: readonly string[];
  /** The root above the chain where it is known and not in it: for trust stores, which are nothing without it. */
  rootPem?: string;
  /** PKCS#8 PEM, unencrypted. */
  privateKeyPem?: string;
}

/** `mode` is a Unix file mode such as 0o600. */
export interface ExportedFile {
  name: string;
  bytes: Buffer;
  mode: number;
}

export interface Exported {
  files: readonly ExportedFile[];
  /** The password that opens the files, given or generated. */
  passphrase?: string;
  /** File extension without the dot, as Lemur's clients expect it. */
  extension: string;
}

export interface ExportPlugin<S extends OptionSchema> extends Plugin<'export', S> {
  readonly needsPrivateKey: boolean;
  export(bundle: Bundle, options: Options<S>, ctx: PluginContext): Promise<Exported>;
}

/** What is to leave a destination: this certificate, which `deliver` put, or may have put, at `location`. No key. */
export interface Removal {
  location: string;
  bundle: Bundle;
}

export interface DestinationPlugin<S extends OptionSchema> extends Plugin<'destination', S> {
  readonly needsPrivateKey: boolean;
  /**
   * Where this bundle will go, as a person would write it. Two living certificates may not share one location. Pure.
   */
  locate(bundle: Bundle, options: Options<S>): string;
  /** Puts the bundle there. Idempotent: the same bundle again changes nothing. Throws PluginError. */
  deliver(bundle: Bundle, options: Options<S>, ctx: PluginContext): Promise<{ location: string }>;
  /**
   * Removes exactly this certificate, its key and every copy that the plugin keeps of them. Nothing there, or another
   * certificate: done. `location` is what `deliver` answered, or `locate` where no answer is known. Throws PluginError.
   */
  remove?(removal: Removal, options: Options<S>, ctx: PluginContext): Promise<void>;
  /** The source that finds again what is delivered here, and other things beside it. Pure. */
  source?(options: Options<S>): CounterpartSource;
}

export interface SourcePlugin<S extends OptionSchema> extends Plugin<'source', S> {
  /** Everything that is there now, in any order. Throws PluginError when it cannot be seen as a whole. */
  scan(options: Options<S>, ctx: PluginContext): AsyncIterable<Found>;
  /**
   * Takes away exactly this certificate; absent = done. Throws PluginError, also when another one lies there by now.
   */
  remove?(found: FoundRef, options: Options<S>, ctx: PluginContext): Promise<void>;
}

export interface NotificationMessage {
  /** e.g. `certificate.expiring`, `certificate.rotated`. */
  event: string;
  subject: string;
  text: string;
  html?: string;
  /** The facts behind the text, for machines; no secrets. */
  data: Readonly<Record<string, unknown>>;
  /** People who are told whatever the options say (the owner). */
  recipients: readonly string[];
  dedupeKey: string;
}

export interface NotificationPlugin<S extends OptionSchema> extends Plugin<'notification', S> {
  send(message: NotificationMessage, options: Options<S>, ctx: PluginContext): Promise<void>;
}

export type AnyPlugin =
  | IssuerPlugin<OptionSchema>
  | ExportPlugin<OptionSchema>
  | DestinationPlugin<OptionSchema>
  | SourcePlugin<OptionSchema>
  | NotificationPlugin<OptionSchema>;

/** The plugin type of a kind. */
export type PluginOf<K extends PluginKind> = Extract<AnyPlugin, { kind: K }>;

/** Identity functions: they exist so that the options' type is inferred in the plugin's methods. */
export function defineIssuer<S extends OptionSchema>(plugin: Omit<IssuerPlugin<S>, 'kind'>): IssuerPlugin<S> {
  return { ...plugin, kind: 'issuer' };
}
export function defineExport<S extends OptionSchema>(plugin: Omit<ExportPlugin<S>, 'kind'>): ExportPlugin<S> {
  return { ...plugin, kind: 'export' };
}
export function defineDestination<S extends OptionSchema>(
  plugin: Omit<DestinationPlugin<S>, 'kind'>,
): DestinationPlugin<S> {
  return { ...plugin, kind: 'destination' };
}
export function defineSource<S extends OptionSchema>(plugin: Omit<SourcePlugin<S>, 'kind'>): SourcePlugin<S> {
  return { ...plugin, kind: 'source' };
}
export function defineNotification<S extends OptionSchema>(
  plugin: Omit<NotificationPlugin<S>, 'kind'>,
): NotificationPlugin<S> {
  return { ...plugin, kind: 'notification' };
}

/** For the signature of helpers that take any option object. */
export type OptionValues = z.output<OptionSchema>;
