import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type {
  AuthorityMaterial,
  AuthorityMemory,
  HoldRequest,
  IssuedCertificate,
  IssuerPlugin,
  CancelRequest,
  OrderRequest,
  RenewalInfo,
  RevocationRequest,
} from '../plugin-api/issuer.js';
import type { Held, ListRequest } from '../plugin-api/ca-inventory.js';
import type { Challenges } from '../plugin-api/challenges.js';
import type { OptionSchema } from '../plugin-api/options.js';
import type { Signer } from '../plugin-api/signer.js';
import { PluginError } from '../plugin-api/errors.js';
import { type ParsedCertificate, parseCertificate } from '../pki/certificate.js';
import { Gathered } from '../platform/gathered.js';
import { Database, type Tx } from '../platform/db/database.js';
import { KeyStore } from '../platform/keys/key-store.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { Authority } from './authority.entity.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityCsrRepository } from './authority-csr.repository.js';
import { AuthorityIssuerRepository } from './authority-issuer.repository.js';
import { AuthorityStates } from './authority-states.js';
import type { AuthorityRole } from './authority.schema.js';
import type { CaChain } from './ca-chain.js';
import { type IssuingKey, issuingKeys } from './issuing-keys.js';
import type { Limits } from './limits.js';
import { certificatesAlone, failed, type OrderOutcome, outcomeOf } from './order-outcome.js';

/**
 * An authority with its roles and limits, and its issuer ready for use. When its plugin is not installed or its options
 * do not open, `plugin`, `options` and `material` throw: PluginError, or Problem `authority-inactive` when the
 * authority is not active. When its key does not open, `material` alone throws. Everything else can be read.
 */
export interface LoadedAuthority extends Readonly<Issuer> {
  readonly authority: Authority;
  /** The DN of its certificate. */
  readonly subjectDer: Buffer;
  /** The keys of its certificate and of those above it, as SubjectPublicKeyInfo. */
  readonly caKeys: readonly Buffer[];
  readonly roles: readonly AuthorityRole[];
  /** Of the authority and all authorities above it together. */
  readonly limits: Limits;
  /** The certificates that it issues with, its own first. */
  readonly issuers: readonly CaChain[];
  /** The authorities above it, the nearest first. */
  readonly above: readonly Pick<Authority, 'id' | 'isPrivate'>[];
}

interface Issuer {
  plugin: IssuerPlugin<OptionSchema>;
  options: Record<string, unknown>;
  material: AuthorityMaterial;
}

/** `stamp` as of AuthorityRepository. */
interface Kept {
  stamp: string;
  loaded: LoadedAuthority;
}

/** A request for an issuer. Without `save` the issuer can keep no state for it. */
export type Asked = Omit<OrderRequest, 'authority' | 'save' | 'challenges' | keyof AuthorityMemory> &
  Partial<Pick<OrderRequest, 'save' | 'challenges'>>;

/**
 * Authorities ready for use, cached in the process. `resolve` answers from the cache alone: a caller that stores what
 * such an authority signed names its version in the same statement (`authority.version`), and on a mismatch calls
 * `get` and starts again. `get` compares with the database, where other processes may have changed the authority.
 */
@Injectable()
export class Authorities {
  private readonly kept = new Map<number, Kept>();
  private readonly ids = new Map<string, number>();
  private readonly stamps = new Gathered<number, string>((all) => this.repository.stamps(this.db.single, all));

  constructor(
    private readonly db: Database,
    private readonly repository: AuthorityRepository,
    private readonly addedIssuers: AuthorityIssuerRepository,
    private readonly configured: ConfiguredPlugins,
    private readonly keyStore: KeyStore,
    private readonly contexts: PluginContexts,
    private readonly states: AuthorityStates,
    private readonly csrs: AuthorityCsrRepository,
  ) {}

  /** By id or name, as a request names it in `field`. Throws Problem `invalid-request` when there is none. */
  async resolve(ref: Reference, field = 'authority'): Promise<LoadedAuthority> {
    const id = ref.id ?? this.ids.get(wordsOf(ref).toLowerCase());
    const known = id === undefined ? undefined : this.kept.get(id);
    if (known) return known.loaded;
    const authority = await this.repository.find(this.db.single, ref);
    if (!authority) throw (await this.csrs.waiting(this.db.single, wordsOf(ref))) ?? unknownAuthority(ref, field);
    return this.get(authority.id);
  }

  /** As the database has it now; loaded again only when it has changed. Throws Problem `not-found`. */
  async get(id: number): Promise<LoadedAuthority> {
    // The stamp is read first: a change in between makes the next call load again.
    const stamp = await this.stamps.run(id);
    const known = this.kept.get(id);
    if (known?.stamp === stamp) return known.loaded;
    const [loaded, isUsable] = await this.load(await this.repository.get(this.db.single, id));
    this.ids.set(loaded.authority.name.toLowerCase(), id);
    // A key that did not open may open later without a change of the authority.
    if (isUsable) this.kept.set(id, { stamp, loaded });
    else this.kept.delete(id);
    return loaded;
  }

  /** Whether the authority is still as it was loaded. It stays so until the transaction ends. */
  async isCurrent(tx: Tx, loaded: LoadedAuthority): Promise<boolean> {
    const { id } = loaded.authority;
    const stamp = await this.repository.stamp(tx, id, 'for share of a');
    const known = this.kept.get(id);
    return known?.loaded === loaded && known.stamp === stamp;
  }

  /**
   * The keys of an authority that are here, the present one first: earlier ones still sign the revocation of what they
   * issued. Empty when its key is elsewhere. Also of an authority that is not active.
   */
  async keysOf(id: number, tx: Tx = this.db.single): Promise<IssuingKey[]> {
    return issuingKeys(await this.repository.get(tx, id), await this.addedIssuers.of(tx, id));
  }

  /** Throws when the key is gone or cannot be opened; the text is for the log. */
  signerFor({ keyId }: Pick<IssuingKey, 'keyId'>): Promise<Signer> {
    return this.keyStore.signerFor(keyId);
  }

  /** Asks the issuer for a certificate. A PluginError is an outcome. Throws Problem `authority-inactive`. */
  async order(loaded: LoadedAuthority, asked: Asked, signal: AbortSignal): Promise<OrderOutcome> {
    demandActive(loaded.authority);
    const { plugin } = loaded;
    const request = await this.orderRequest(asked, loaded);
    const outcome = plugin.order(request, loaded.options, this.contexts.make(signal));
    return outcomeOf(plugin.answers === 'at-once' ? outcome : outcome.then(certificatesAlone), true);
  }

  /** Asks an issuer how far an order has come that it took earlier. A PluginError is an outcome. */
  async poll(loaded: LoadedAuthority, asked: Asked & { orderRef: string }, signal: AbortSignal): Promise<OrderOutcome> {
    const { plugin } = loaded;
    if (!plugin.poll)
      return {
        status: 'failed',
        error: new PluginError('misconfigured', `${plugin.title} cannot be asked for orders.`),
        isFinal: false,
      };
    const request = { ...(await this.orderRequest(asked, loaded)), orderRef: asked.orderRef };
    return outcomeOf(plugin.poll(request, loaded.options, this.contexts.make(signal)).then(certificatesAlone));
  }

  /**
   * Looks at the issuer for an order of this request, whose reference is not known here; null when it has none, or
   * cannot tell. A PluginError is an outcome.
   */
  async find(loaded: LoadedAuthority, asked: Asked, signal: AbortSignal): Promise<OrderOutcome | null> {
    const { plugin, options } = loaded;
    if (!plugin.find) return null;
    try {
      const found = await plugin.find(await this.orderRequest(asked, loaded), options, this.contexts.make(signal));
      return found && (await outcomeOf(Promise.resolve(certificatesAlone(found))));
    } catch (error) {
      return failed(error);
    }
  }

  /** Tells the issuer that an order is no longer wanted, where it can be told. Throws PluginError. */
  async cancel(
    { plugin, options, authority }: LoadedAuthority,
    order: Omit<CancelRequest, keyof AuthorityMemory>,
    signal: AbortSignal,
  ): Promise<void> {
    const memory = await this.states.memoryOf(authority.id);
    await plugin.cancel?.({ ...order, ...memory }, options, this.contexts.make(signal));
  }

  /**
   * Throws PluginError `misconfigured` when the issuer never does so. One that is not installed at present may do so
   * later.
   */
  async demandRevoking(id: number, verb: 'revoke' | 'hold' = 'revoke'): Promise<void> {
    const { pluginId } = await this.repository.get(this.db.single, id);
    const plugin = this.configured.find('issuer', pluginId);
    if (plugin && !plugin[verb]) throw cannot(plugin, verb);
  }

  /** Puts a certificate on hold, or releases it. Throws PluginError; `misconfigured` when the issuer cannot. */
  async suspend(
    { plugin, options }: LoadedAuthority,
    verb: 'hold' | 'release',
    request: HoldRequest,
    signal: AbortSignal,
  ): Promise<void> {
    if (!plugin[verb]) throw cannot(plugin, verb);
    await plugin[verb](request, options, this.contexts.make(signal));
  }

  /** Throws PluginError; `misconfigured` when the issuer has no such thing as revocation. */
  async revoke(
    { plugin, options, authority }: LoadedAuthority,
    request: Omit<RevocationRequest, keyof AuthorityMemory>,
    signal: AbortSignal,
  ): Promise<void> {
    if (!plugin.revoke) throw cannot(plugin, 'revoke');
    const memory = await this.states.memoryOf(authority.id);
    await plugin.revoke({ ...request, ...memory }, options, this.contexts.make(signal));
  }

  /** The window in which the CA suggests to renew a certificate; null when it suggests none. Throws PluginError. */
  async renewalInfo(
    { plugin, options }: LoadedAuthority,
    certificate: IssuedCertificate,
    signal: AbortSignal,
  ): Promise<RenewalInfo | null> {
    return (await plugin.renewalInfo?.(certificate, options, this.contexts.make(signal))) ?? null;
  }

  /** What the CA holds. Throws PluginError; `misconfigured` when the issuer cannot tell. */
  list({ plugin, options }: LoadedAuthority, request: ListRequest, signal: AbortSignal): AsyncIterable<Held> {
    demandListing(plugin);
    return plugin.list(request, options, this.contexts.make(signal));
  }

  /** Throws PluginError; `misconfigured` when the issuer has no such thing. */
  async deactivate(
    { plugin, options }: LoadedAuthority,
    certificate: IssuedCertificate,
    signal: AbortSignal,
  ): Promise<void> {
    if (!plugin.deactivate)
      throw new PluginError(
        'misconfigured',
        `${plugin.title} cannot deactivate certificates; revoke it if it must not be used.`,
      );
    await plugin.deactivate(certificate, options, this.contexts.make(signal));
  }

  /** An issuer that answers at once remembers nothing and proves nothing. */
  private async orderRequest(asked: Asked, { plugin, authority, material }: LoadedAuthority): Promise<OrderRequest> {
    const { request, state, save = noState, challenges = noChallenges } = asked;
    const memory = plugin.answers === 'at-once' ? { saveAuthority: noState } : await this.states.memoryOf(authority.id);
    return { request, authority: material, challenges, save, ...memory, ...(state !== undefined && { state }) };
  }

  /** Also whether its issuer can be used. */
  private async load(authority: Authority): Promise<[LoadedAuthority, boolean]> {
    const tx = this.db.single;
    const [roles, limits, added, above] = await Promise.all([
      this.repository.rolesOfOne(tx, authority.id),
      this.repository.limitsOf(tx, authority.id),
      this.addedIssuers.of(tx, authority.id),
      authority.parentId === null ? [] : this.repository.aboveOf(tx, authority),
    ]);
    const [own, ...higher] = [authority.certificatePem, ...authority.chainPem].map((pem) => parseCertificate(pem));
    const { subjectDer, spkiDer } = own as ParsedCertificate;
    const caKeys = [spkiDer, ...higher.map((ca) => ca.spkiDer)];
    const others = added.filter(({ certificatePem }) => certificatePem !== authority.certificatePem);
    const facts = { authority, subjectDer, caKeys, roles, limits, issuers: [authority, ...others], above };
    let opened: Omit<Issuer, 'material'> | null = null;
    try {
      const plugin = this.configured.plugin('issuer', authority.pluginId);
      opened = { plugin, options: this.configured.open(plugin, authority, 'authority') };
      return [{ ...facts, ...opened, material: await this.material(authority, limits) }, true];
    } catch (error) {
      return [withoutMaterial(facts, opened, error), false];
    }
  }

  private async material(authority: Authority, { publicTls }: Limits): Promise<AuthorityMaterial> {
    const { keyId, certificatePem } = authority;
    const signer = keyId === null ? null : await this.keyStore.signerFor(keyId);
    const certificate = createHash('sha256').update(certificatePem).digest('hex');
    return {
      cacheKey: `${authority.id}.${authority.version}.${certificate}${publicTls ? '.public-tls' : ''}`,
      certificatePem,
      chainPem: authority.chainPem,
      ...(signer && { signer }),
      publicTls,
    };
  }
}

/** Throws Problem `authority-inactive`. `reason`: why its issuer could not be used even if it were active. */
export function demandActive({ name, active }: Pick<Authority, 'name' | 'active'>, reason?: string): void {
  if (active) return;
  throw new Problem(
    'authority-inactive',
    `Authority ${name} is not active.${reason === undefined ? '' : ` ${reason}`}`,
  );
}

function cannot(
  { title }: Pick<IssuerPlugin<OptionSchema>, 'title'>,
  verb: 'revoke' | 'hold' | 'release',
): PluginError {
  return new PluginError('misconfigured', `${title} cannot ${verb === 'revoke' ? verb : `${verb} certificates`}.`);
}

/** Throws PluginError `misconfigured` when the issuer cannot tell what its CA holds. */
export function demandListing<P extends Pick<IssuerPlugin<OptionSchema>, 'title' | 'list'>>(
  plugin: P,
): asserts plugin is P & Required<Pick<P, 'list'>> {
  if (!plugin.list) throw new PluginError('misconfigured', `${plugin.title} does not tell what its CA holds.`);
}

/** `opened`: null when the plugin or its options cannot be used either. */
function withoutMaterial(
  facts: Omit<LoadedAuthority, keyof Issuer>,
  opened: Omit<Issuer, 'material'> | null,
  error: unknown,
): LoadedAuthority {
  const refuse = (): never => {
    demandActive(facts.authority, error instanceof PluginError ? error.detail : undefined);
    throw error;
  };
  return {
    ...facts,
    get plugin() {
      return opened?.plugin ?? refuse();
    },
    get options() {
      return opened?.options ?? refuse();
    },
    get material() {
      return refuse();
    },
  };
}

/** For a reference in the member `field` to an authority that does not exist, or that the actor may not know of. */
export function unknownAuthority(ref: Reference, field: string): Problem {
  return invalid(field, `Unable to locate authority ${wordsOf(ref)}.`);
}

function noState(): Promise<never> {
  return Promise.reject(new Error('No state is kept for this request.'));
}

const noChallenges: Challenges = { canPresent: noState, present: noState, withdraw: noState };
