import { Injectable } from '@nestjs/common';
import { isSignedBy, parseCertificate } from '../pki/certificate.js';
import type { IssuerPlugin } from '../plugin-api/issuer.js';
import type { OptionSchema } from '../plugin-api/options.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type KeyRef, KeyStore } from '../platform/keys/key-store.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { demandAllowedOwner } from '../roles/owner-domain.js';
import { isAdmin, mayMakeAuthorityFor } from '../roles/permission.js';
import type { LoadedAuthority } from './authorities.js';
import type { Authority, AuthoritySettings, NewAuthority } from './authority.entity.js';
import type { CreateAuthority } from './authority.schema.js';
import type { NewIssuers } from './authority-issuer.repository.js';
import { describeCa } from './authority-issuers.js';
import { CaCertificates } from './ca-certificates.js';
import { blameChain, type CaChain, factsOf, readCaChain } from './ca-chain.js';
import { caContentOf, keyTypeOf, magnitudeOf, usualLengthMs, validityOf } from './ca-request.js';
import { type ImportedCa, readImportedCa } from './imported-ca.js';
import { demandWithin } from './limits.js';
import { newPublicId, publicUrls } from './public-urls.js';

/** What is asked of a new authority besides its certificate. */
type Wishes = Pick<CreateAuthority, 'plugin'> & Parameters<typeof wishesOf>[0];

const timeoutMs = 60_000;

/** Stores a new authority with the certificates that it issues with; none when it has its key here. */
type Store<T> = (authority: NewAuthority, issuers: NewIssuers | null) => Promise<T>;

/**
 * Makes authorities: a new CA with a key in the KeyStore and a certificate by the chosen plugin, one that is brought
 * along with its key, or one for a CA that exists elsewhere, without a key. Stores nothing but the key.
 */
@Injectable()
export class AuthorityMaker {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly keys: KeyStore,
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
    private readonly certificates: CaCertificates,
    private readonly config: Config,
  ) {}

  /**
   * Imports a CA when the request has a key. It is for a CA that exists elsewhere when the request has only a chain or
   * the issuer can describe its CA, else for a new one. Throws Problem `invalid-request`, and as KeyStore, PluginError
   * and `store` do.
   */
  async make<T>(request: CreateAuthority, parent: LoadedAuthority | null, actor: Actor, store: Store<T>): Promise<T> {
    const { plugin, stored, settings } = this.settings(request, parent, actor);
    const imported = await readImportedCa(request, this.clock.now());
    if (imported) {
      if (parent) await demandSignedBy(imported.chain, parent.authority);
      return this.adopt(plugin, imported, request.keyStore, (own, keyId) =>
        store({ ...settings, ...factsOf(own), keyId }, null),
      );
    }
    if (request.chain !== undefined || plugin.describe) {
      const issuers = await this.foundElsewhere(plugin, stored, request);
      const own = issuers.chains.reduce((last, one) => (factsOf(one).notAfter > factsOf(last).notAfter ? one : last));
      if (parent) await demandSignedBy(own, parent.authority);
      return store({ ...settings, ...factsOf(own), keyId: null }, issuers);
    }
    demandMaking(plugin);
    const content = this.contentOf(request, parent);
    const { ref, signer } = await this.keys.create({
      keyType: keyTypeOf(request),
      userId: actor.userId,
      store: request.keyStore,
    });
    return this.keeping(ref, async () => {
      const own = await this.certificates.make(plugin, stored, { ...content, signer }, parent);
      return store({ ...settings, ...factsOf(own), keyId: ref }, null);
    });
  }

  /**
   * All of a new authority but its certificate and key, with its plugin. Throws Problem `forbidden` or
   * `invalid-request`.
   */
  settings(
    request: Wishes,
    parent: LoadedAuthority | null,
    actor: Actor,
  ): { plugin: IssuerPlugin<OptionSchema>; stored: StoredPlugin; settings: AuthoritySettings } {
    this.demandAllowed(actor, request);
    if (parent) demandWithin(parent.limits, request);
    const choice = request.plugin ?? this.usualPlugin();
    const plugin = this.configured.chosen('issuer', choice);
    const publicId = newPublicId();
    const stored = this.published(plugin, this.configured.seal(plugin, choice, 'authority'), publicId);
    const settings = {
      ...stored,
      publicId,
      ...wishesOf(request, parent),
      parentId: parent?.authority.id ?? null,
      creatorId: actor.userId || null,
      createdAt: this.clock.now(),
    };
    return { plugin, stored, settings };
  }

  private usualPlugin(): NonNullable<CreateAuthority['plugin']> {
    const slug = this.config.defaultIssuerPlugin;
    return slug === undefined ? { id: 'local-ca' } : { slug };
  }

  /** Throws Problem `forbidden`, and `invalid-request` for an owner that settings do not allow. */
  private demandAllowed(actor: Actor, { owner, isPrivate }: Pick<CreateAuthority, 'owner' | 'isPrivate'>): void {
    if (!mayMakeAuthorityFor(actor, owner))
      throw new Problem(
        'forbidden',
        `Make authorities for an owner whose role you hold; you do not hold that of ${owner}.`,
      );
    demandAllowedOwner(owner, this.config);
    if (isPrivate && !isAdmin(actor))
      throw new Problem('forbidden', 'Only an administrator frees an authority from the rules on names (isPrivate).');
  }

  /** Has the authority write our addresses into what it issues, where the request gave none. */
  private published(plugin: IssuerPlugin<OptionSchema>, stored: StoredPlugin, publicId: string): StoredPlugin {
    const { pkiUrl } = this.config;
    if (pkiUrl === undefined || !plugin.publishAt) return stored;
    const options = this.configured.open(plugin, stored, 'authority');
    return { ...stored, options: { ...stored.options, ...plugin.publishAt(options, publicUrls(pkiUrl, publicId)) } };
  }

  /** Drops the key when `work` fails. */
  private async keeping<T>(ref: KeyRef, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // The database refuses to delete the key if the authority was stored after all.
      await this.keys.forget(ref).catch(() => undefined);
      throw error;
    }
  }

  private async adopt<T>(
    plugin: IssuerPlugin<OptionSchema>,
    { privateKey, chain }: ImportedCa,
    keyStore: CreateAuthority['keyStore'],
    store: (own: CaChain, keyId: KeyRef) => Promise<T>,
  ): Promise<T> {
    if (keyStore === 'pkcs11')
      throw invalid('keyStore', 'A key that was outside of the token is not put into it: make a new key there.');
    if (!plugin.createAuthority)
      throw invalid('privateKey', `${plugin.title} does not sign with a key that is kept here.`);
    const ref = await this.keys.adopt(this.db.single, privateKey);
    return this.keeping(ref, () => store(chain, ref));
  }

  /** The certificates of a CA that exists elsewhere: at least one. */
  private async foundElsewhere(
    plugin: IssuerPlugin<OptionSchema>,
    stored: StoredPlugin,
    { chain }: CreateAuthority,
  ): Promise<NewIssuers> {
    if (chain === undefined) {
      const options = this.configured.open(plugin, stored, 'authority');
      const ask = () => plugin.describe?.(options, this.contexts.make(AbortSignal.timeout(timeoutMs)));
      return { chains: await describeCa(plugin, ask), origin: 'described' };
    }
    if (plugin.answers === 'at-once')
      throw invalid('chain', `${plugin.title} signs with a key that is kept here: send that of this certificate too.`);
    return { chains: [await blameChain(() => readCaChain([chain]))], origin: 'uploaded' };
  }

  private contentOf(request: CreateAuthority, parent: LoadedAuthority | null) {
    const serial = request.type === 'root' && request.serialNumber != null ? BigInt(request.serialNumber) : null;
    const { pathLength = request.extensions?.basicConstraints?.pathLength } = request;
    return {
      ...caContentOf(request),
      ...validityOf(request, usualLengthMs(request.type), parent?.authority ?? null, this.clock.now()),
      ...(serial !== null && { serial: magnitudeOf(serial) }),
      pathLength: pathLength ?? (parent ? 0 : undefined),
    };
  }
}

/** Throws Problem `invalid-request`. */
function demandMaking({ title, createAuthority }: Pick<IssuerPlugin<OptionSchema>, 'title' | 'createAuthority'>): void {
  if (!createAuthority)
    throw invalid('chain', `${title} makes no CA: send the certificate of the one that it issues from.`);
}

type LimitMember =
  | 'maxValidityDays'
  | 'defaultValidityDays'
  | 'orderDeadlineDays'
  | 'isPrivate'
  | 'isCabCompliant'
  | 'isCnOptional'
  | 'validityBeyondCa';

/** What a request says about the authority apart from its certificate. */
function wishesOf(
  request: Pick<CreateAuthority, 'name' | 'owner' | 'description' | LimitMember>,
  parent: LoadedAuthority | null,
) {
  return {
    name: request.name,
    owner: request.owner,
    description: request.description ?? null,
    active: true,
    version: 1,
    maxValidityDays: request.maxValidityDays ?? parent?.limits.maxDays ?? null,
    defaultValidityDays: request.defaultValidityDays ?? null,
    orderDeadlineDays: request.orderDeadlineDays ?? null,
    isPrivate: request.isPrivate ?? false,
    isCabCompliant: request.isCabCompliant ?? (parent?.limits.publicTls ? true : null),
    isCnOptional: request.isCnOptional ?? true,
    validityBeyondCa: request.validityBeyondCa ?? 'refuse',
    defaultProfileId: null,
    allowedProfileIds: [],
  };
}

/** Throws Problem `invalid-request`. */
async function demandSignedBy({ certificatePem }: CaChain, parent: Authority): Promise<void> {
  const signed = await isSignedBy(parseCertificate(certificatePem), parseCertificate(parent.certificatePem));
  if (!signed) throw invalid('parent', `${parent.name} has not signed the certificate of this CA.`);
}
