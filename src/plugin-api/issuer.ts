import type { CaOrganizations, CaPersons, CaProfiles, CaRequests, CaSettings } from './ca-administration.js';
import type { Held, ListRequest } from './ca-inventory.js';
import type { Challenges } from './challenges.js';
import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';
import type { Publication, PublicUrls } from './publication.js';
import type { Signer } from './signer.js';
import type { CertificateTerms, IssuerExtension, RawExtension, SubjectAltName, SubjectFields } from './terms.js';

/** What a person or a policy asks for, approved. An issuer gets the CSR, never the private key of the subject. */
export interface CertificateRequest {
  csrPem: string;
  /** SubjectPublicKeyInfo of the CSR, DER; its proof of possession has been verified. */
  spkiDer: Buffer;
  terms: CertificateTerms;
  /** The same on every attempt to have this request issued, different for any other request. */
  idempotencyKey: string;
  /** The certificate that this one renews, where the same authority issued it. */
  renews?: IssuedCertificate;
}

/** The issuing CA: its certificate, its chain (issuer first, root last), and its key where the core holds it. */
export interface AuthorityMaterial {
  /** Changes whenever certificate, key or options change; lets a plugin cache what it derives. */
  readonly cacheKey: string;
  readonly certificatePem: string;
  readonly chainPem: readonly string[];
  readonly signer?: Signer;
  /** True: what it issues must keep to the limits of publicly trusted TLS. */
  readonly publicTls?: boolean;
}

/** What an issuer remembers of an authority over all its requests, for example an account at the CA with its key. */
export interface AuthorityMemory {
  /** What `saveAuthority` stored last for this authority; absent when it was never called. */
  authorityState?: string;
  /**
   * Stores what every later call for this authority needs, sealed, unless another call has stored something since
   * `authorityState` was read. Answers what is stored then: go on with that. Call it before the step that depends on
   * it: when it resolves, the state survives a crash. At most 64 KiB.
   */
  saveAuthority(state: string): Promise<string>;
}

/** What a verb gets to work on a request. */
export interface OrderRequest extends AuthorityMemory {
  request: CertificateRequest;
  authority: AuthorityMaterial;
  /** To prove to the CA that the names of the request are ours. */
  challenges: Challenges;
  /** What `save` stored last for this request; absent when it was never called. */
  state?: string;
  /**
   * Stores what a later call needs to go on (an order's URL, a nonce), sealed, in place of what was stored before. Call
   * it before the step that depends on it: when it resolves, the state survives a crash. At most 64 KiB. An issuer that
   * answers at once has no state; it must not call this.
   */
  save(state: string): Promise<void>;
}

/** A request with the order that the issuer took for it earlier, by the reference that it gave. */
export interface PollRequest extends OrderRequest {
  orderRef: string;
}

export type CancelRequest = Pick<PollRequest, 'orderRef' | 'state'> & AuthorityMemory;

/**
 * How far a request has come.
 * - `issued`: `chainPem` is leaf first, then issuers in order, without the root unless the issuer is the root itself.
 *   `externalId` is the certificate's id at the CA. `warnings`: names of rules that it breaks; the audit log
 *   keeps them.
 * - `pending`: the CA has the order and works on it. `orderRef` names it to `poll`. The core polls again after
 *   `pollAfterS` seconds; `progress` is shown to people (what the CA waits for), and holds no secret. `awaitsApproval`:
 *   a person at the CA must approve the order. `expiresAt` is when the CA gives the order up. `state` replaces what
 *   `save` stored.
 * - `rejected`: the CA says of this very order that it has rejected or ended it. The request fails at once. `reason` is
 *   shown to people.
 */
export type Outcome =
  | { status: 'issued'; chainPem: readonly string[]; externalId?: string; warnings?: readonly string[] }
  | {
      status: 'pending';
      orderRef: string;
      pollAfterS: number;
      state?: string;
      progress?: string;
      awaitsApproval?: boolean;
      expiresAt?: Date;
    }
  | { status: 'rejected'; reason: string };

export interface CreateAuthorityRequest {
  subject: SubjectFields;
  /** The whole DN, DER; overrides `subject`: that of a CA that is renewed. */
  subjectDer?: Buffer;
  notBefore: Date;
  notAfter: Date;
  /** Maximum number of CAs below; undefined = no limit. */
  pathLength?: number;
  /** The serial number of its certificate, an unsigned magnitude; undefined = the plugin chooses. */
  serial?: Buffer;
  /** The subject key identifier of a CA that keeps its key; undefined = the plugin derives it from the key. */
  keyIdentifier?: Buffer;
  /** Besides those of every CA certificate. */
  extensions?: readonly RawExtension[];
  /** True: another certificate of a CA that there is, which keeps subject and extensions as they are. */
  isRenewal?: boolean;
  /** The key of the new CA, made by the core. */
  signer: Signer;
  /** Absent for a root. */
  parent?: AuthorityMaterial;
  /** Where clients learn about what the parent certified; absent where its issuer does not say. */
  parentPublication?: Publication;
}

/** A certificate that an issuer has issued. `chainPem` is leaf first. */
export interface IssuedCertificate {
  chainPem: readonly string[];
  /** As in Outcome. */
  externalId?: string;
}

/** `reason` is the CRLReason code of RFC 5280 §5.3.1. */
export interface RevocationRequest extends IssuedCertificate, AuthorityMemory {
  reason: number;
  comments?: string;
}

export interface HoldRequest extends IssuedCertificate {
  comments?: string;
}

/** RFC 9773 §4.2. `explanationUrl` says why, for people. */
export interface RenewalInfo {
  windowStart: Date;
  windowEnd: Date;
  explanationUrl?: string;
  /** Seconds until it is worth asking again. */
  retryAfterS: number;
}

/** A CA certificate, then the CAs above it in order, the root last where it is known. */
export interface CaChain {
  chainPem: readonly string[];
}

/**
 * A certification authority, or the way to one.
 *
 * The faults of its verbs: `misconfigured` when the credentials, the options or the account must be changed by a
 * person; `refused` when the CA understood the request and will not do it, now or later; `unavailable` when asking
 * again can help. A timeout or a lost connection is `unavailable`, also when the CA may have acted: the core then asks
 * again as the verb allows.
 */
export interface IssuerPlugin<S extends OptionSchema> extends Plugin<'issuer', S> {
  /**
   * `at-once`: pure computation in this process; `order` is awaited inside a request, answers `issued` or throws, and
   * leaves nothing behind; an answer that differs from the request is refused. `later`: the CA is behind a network;
   * `order` runs as a job after the request was stored, and an answer that differs is kept as disputed.
   */
  readonly answers: 'at-once' | 'later';

  /**
   * Asks the CA for the certificate. Called again with the same `idempotencyKey` after `unavailable`, and after a crash
   * when `find` is absent or found nothing. If the process dies before the answer is stored, the order may exist at the
   * CA: an issuer that could order twice passes the idempotency key on, or offers `find`, or saves its state first.
   */
  order(request: OrderRequest, options: Options<S>, ctx: PluginContext): Promise<Outcome>;

  /**
   * How far an order has come. Reads, or takes the next step that the CA waits for; each step may be repeated, so a
   * crash costs nothing but another poll. `rejected` when the CA says that the order is dead. `refused` when the CA
   * knows no such order, or does not let us look at it: that may pass (a directory that is down, a replica that lags),
   * so the core believes it only after it was refused at least 3 times over at least 6 hours, and shows it meanwhile.
   * Demanded of an issuer that answers `pending`.
   */
  poll?(request: PollRequest, options: Options<S>, ctx: PluginContext): Promise<Outcome>;

  /**
   * Our own order for this request, looked up by its idempotency key or its CSR; null when the CA has none. Called
   * before `order` when an earlier attempt may have reached the CA and its answer was not stored. Changes nothing.
   * `refused` as in `poll`.
   */
  find?(request: OrderRequest, options: Options<S>, ctx: PluginContext): Promise<Outcome | null>;

  /**
   * Withdraws an order. Idempotent: an order that is cancelled, dead or unknown at the CA is done. `refused`: it was
   * issued already or cannot be withdrawn. Repeated until it succeeds or is refused.
   */
  cancel?(request: CancelRequest, options: Options<S>, ctx: PluginContext): Promise<void>;

  /**
   * Revokes for good. Idempotent: a certificate that is revoked already is done, whatever the reason was. `refused`:
   * the CA does not know the certificate, or does not accept the reason. Repeated until it succeeds or is refused.
   */
  revoke?(request: RevocationRequest, options: Options<S>, ctx: PluginContext): Promise<void>;

  /**
   * Revokes for the time being (certificateHold). Idempotent: a certificate that is on hold already is done. `refused`:
   * it is revoked for good, or the CA does not know it. Repeated until it succeeds or is refused.
   */
  hold?(request: HoldRequest, options: Options<S>, ctx: PluginContext): Promise<void>;

  /** Makes a certificate on hold valid again. Idempotent, and `refused` and repeated, as `hold`. */
  release?(certificate: IssuedCertificate, options: Options<S>, ctx: PluginContext): Promise<void>;

  /** Says that a certificate is out of use, where a CA counts certificates in use; it stays valid. Idempotent. */
  deactivate?(certificate: IssuedCertificate, options: Options<S>, ctx: PluginContext): Promise<void>;

  /**
   * The window in which the CA suggests to renew (RFC 9773). Changes nothing. Null: the CA suggests nothing for this
   * certificate.
   */
  renewalInfo?(certificate: IssuedCertificate, options: Options<S>, ctx: PluginContext): Promise<RenewalInfo | null>;

  /**
   * Replaces the key with which the issuer signs in to the account of an authority (RFC 8555 §7.3.5). The new key is
   * stored before the CA hears of it; called again after a failure, it finishes what was begun. Absent: there is none.
   */
  changeAccountKey?(memory: AuthorityMemory, options: Options<S>, ctx: PluginContext): Promise<void>;

  /**
   * The certificates with which the CA issues, for a CA that exists elsewhere. The set may grow: the core asks again
   * from time to time, adds what is new, and accepts certificates that any of them signed. Changes nothing.
   */
  describe?(options: Options<S>, ctx: PluginContext): Promise<{ issuers: readonly CaChain[] }>;

  /**
   * The certificates that the CA holds, whoever asked for them, in an order that stays the same between calls. The
   * caller stops when it has enough: fetch part after part, not all at first. A certificate that cannot be read is
   * `trouble`, and keeps no other back. Changes nothing. The source `authority` imports what is listed.
   */
  list?(request: ListRequest, options: Options<S>, ctx: PluginContext): AsyncIterable<Held>;

  /** The profiles of the CA. */
  readonly profiles?: CaProfiles<S>;

  /** The requests at the CA, also those of others. */
  readonly requests?: CaRequests<S>;

  /** Settings of the CA that its service lets be changed. */
  readonly settings?: CaSettings<S>;

  readonly organizations?: CaOrganizations<S>;

  readonly persons?: CaPersons<S>;

  /**
   * Makes the certificate of a CA whose key the core holds, a new one or one that is renewed; `chainPem` starts with
   * it. Absent when the CA exists elsewhere. Called once, without a retry: a certificate whose answer is lost is of no
   * use.
   */
  createAuthority?(
    request: CreateAuthorityRequest,
    options: Options<S>,
    ctx: PluginContext,
  ): Promise<{ chainPem: readonly string[] }>;

  /**
   * Every name that the CA would refuse, each in a sentence, so that a request is told all of them before `order` is
   * called. Absent: `order` refuses. Pure. `subjectDer` is the DN.
   */
  objections?(names: {
    authority: AuthorityMaterial;
    subjectDer: Buffer;
    subjectAltNames: readonly SubjectAltName[];
  }): readonly string[];

  /**
   * The extensions that certificates get from the issuer unless their terms leave them out. Absent: the CA alone
   * decides. Pure.
   */
  addsExtensions?(options: Options<S>): readonly IssuerExtension[];

  /** Where clients learn about what the authority issued; demanded where `createAuthority` is. Pure. */
  publication?(options: Options<S>): Publication;

  /**
   * The options to change so that the authority writes the URLs of the core into what it issues, each where the given
   * options have none. Absent: the core does not publish for its authorities. Pure.
   */
  publishAt?(options: Options<S>, urls: PublicUrls): Partial<Options<S>>;

  /** How certificates may rightly differ from what was asked; absent: in nothing. */
  readonly allows?: AllowedDifferences;
}

/** Each absent member means: not allowed. */
export interface AllowedDifferences {
  /** The CA chooses notBefore and notAfter. */
  ownValidity?: boolean;
  /** The CA adds names, for example `www.` before a domain. */
  extraNames?: boolean;
  /** The CA leaves names out, but not all SANs that were asked for; where none was, not the common name. */
  fewerNames?: boolean;
  /**
   * The CA issues through subordinate CAs that it changes without notice, as public CAs do: any CA below the
   * authority's issuing certificates may have signed. Otherwise one of these must have.
   */
  subordinates?: boolean;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineIssuer<S extends OptionSchema>(plugin: Omit<IssuerPlugin<S>, 'kind'>): IssuerPlugin<S> {
  return { ...plugin, kind: 'issuer' };
}
