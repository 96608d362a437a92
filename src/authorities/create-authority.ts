import { Injectable } from '@nestjs/common';
import { isSignedBy, parseCertificate } from '../pki/certificate.js';
import { resolveKeyType } from '../pki/key.js';
import { encodeSubject } from '../pki/names.js';
import { splitCertificates } from '../pki/pem.js';
import { rebuildName } from '../pki/requested-name.js';
import { crossCheckCertificate } from '../pki/cross-check.js';
import { serialNumber } from '../pki/serial.js';
import type { IssuerPlugin } from '../plugin-api/issuer.js';
import type { OptionSchema } from '../plugin-api/options.js';
import type { Signer } from '../plugin-api/signer.js';
import type { SubjectFields } from '../plugin-api/terms.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { blame } from '../platform/http/blame.js';
import { invalid } from '../platform/http/problem.js';
import { KeyStore } from '../platform/keys/key-store.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { LoadedAuthority } from './authorities.js';
import type { Authority, NewAuthority } from './authority.entity.js';
import type { CreateAuthority } from './authority.schema.js';
import type { NewIssuers } from './authority-issuer.repository.js';
import { describeCa } from './authority-issuers.js';
import { newPublicId, publicationOf, publicUrls } from './public-urls.js';
import { blameChain, type CaChain, factsOf, readCaChain } from './ca-chain.js';

const dayMs = 86_400_000;
const timeoutMs = 60_000;
const defaultYears = { root: 20, subca: 10 } as const;

/** Stores a new authority with the certificates that it issues with; none when it has its key here. */
type Store<T> = (authority: NewAuthority, issuers: NewIssuers | null) => Promise<T>;

/**
 * Makes authorities: a new CA with a key in the KeyStore and a certificate by the chosen plugin, or one for a CA that
 * exists elsewhere, without a key. Stores nothing but the key.
 */
@Injectable()
export class AuthorityMaker {
  constructor(
    private readonly clock: Clock,
    private readonly keys: KeyStore,
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
    private readonly config: Config,
  ) {}

  /**
   * For a CA that exists elsewhere when the request has a chain or the issuer can describe its CA, else for a new one.
   * Throws Problem `invalid-request`, and as KeyStore, PluginError and `store` do.
   */
  async make<T>(request: CreateAuthority, parent: LoadedAuthority | null, actor: Actor, store: Store<T>): Promise<T> {
    const choice = request.plugin ?? { id: 'local-ca' };
    const plugin = this.configured.chosen('issuer', choice);
    const publicId = newPublicId();
    const stored = this.published(plugin, this.configured.seal(plugin, choice, 'authority'), publicId);
    const facts = {
      ...stored,
      publicId,
      ...wishesOf(request, parent),
      parentId: parent?.authority.id ?? null,
      creatorId: actor.userId || null,
      createdAt: this.clock.now(),
    };
    if (request.chain !== undefined || plugin.describe) {
      const issuers = await this.foundElsewhere(plugin, stored, request);
      const own = issuers.chains.reduce((last, one) => (factsOf(one).notAfter > factsOf(last).notAfter ? one : last));
      if (parent) await demandSignedBy(own, parent.authority);
      return store({ ...facts, ...factsOf(own), keyId: null }, issuers);
    }
    if (!plugin.createAuthority)
      throw invalid('chain', `${plugin.title} makes no CA: send the certificate of the one that it issues from.`);
    if (request.commonName === undefined) throw invalid('commonName', 'A new CA needs a common name.');
    const key = await this.keys.create({ keyType: keyTypeOf(request), userId: actor.userId });
    try {
      const chainPem = await this.certify(plugin, stored, request, { signer: key.signer, parent });
      const [certificatePem = '', ...above] = chainPem;
      return await store({ ...facts, ...factsOf({ certificatePem, chainPem: above }), keyId: key.ref }, null);
    } catch (error) {
      // The database refuses to delete the key if the authority was stored after all.
      await this.keys.forget(key.ref).catch(() => undefined);
      throw error;
    }
  }

  /** Has the authority write our addresses into what it issues, where the request gave none. */
  private published(plugin: IssuerPlugin<OptionSchema>, stored: StoredPlugin, publicId: string): StoredPlugin {
    const { pkiUrl } = this.config;
    if (pkiUrl === undefined || !plugin.publishAt) return stored;
    const options = this.configured.open(plugin, stored, 'authority');
    return { ...stored, options: { ...stored.options, ...plugin.publishAt(options, publicUrls(pkiUrl, publicId)) } };
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
      throw invalid('chain', `${plugin.title} signs with a key that it makes here, so it takes no certificate.`);
    return { chains: [await blameChain(() => readCaChain([chain]))], origin: 'uploaded' };
  }

  /** The CA's certificate and those above it, checked. */
  private async certify(
    plugin: IssuerPlugin<OptionSchema>,
    stored: StoredPlugin,
    request: CreateAuthority,
    { signer, parent }: { signer: Signer; parent: LoadedAuthority | null },
  ): Promise<string[]> {
    const serial = request.type === 'root' && request.serialNumber != null ? BigInt(request.serialNumber) : null;
    const made = await plugin.createAuthority?.(
      {
        subject: subjectOf(request),
        ...validityOf(request, parent, this.clock.now()),
        ...(serial !== null && { serial: magnitudeOf(serial) }),
        pathLength:
          request.pathLength ??
          request.extensions?.basicConstraints?.pathLength ??
          (parent ? Math.min(0, parent.authority.pathLength ?? 0) : undefined),
        signer,
        ...(parent && { parent: parent.material, parentPublication: publicationOf(parent) }),
      },
      this.configured.open(plugin, stored, 'authority'),
      this.contexts.make(AbortSignal.timeout(timeoutMs)),
    );
    const chainPem = made?.chainPem.flatMap(splitCertificates) ?? [];
    const [certificatePem = ''] = chainPem;
    const certificate = parseCertificate(certificatePem);
    if (serial !== null && serialNumber(certificate.serialHex) !== serial)
      throw invalid('serialNumber', `${plugin.title} chooses serial numbers itself.`);
    await crossCheckCertificate(certificate, certificatePem, parent?.material.certificatePem ?? certificatePem);
    return chainPem;
  }
}

/** What a request says about the authority apart from its certificate. */
function wishesOf(request: CreateAuthority, parent: LoadedAuthority | null) {
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
  };
}

/** Throws Problem `invalid-request`. */
async function demandSignedBy({ certificatePem }: CaChain, parent: Authority): Promise<void> {
  const signed = await isSignedBy(parseCertificate(certificatePem), parseCertificate(parent.certificatePem));
  if (!signed) throw invalid('parent', `${parent.name} has not signed the certificate of this CA.`);
}

/** The types of keys that sign in these ways; the first is made when a request names no type. */
const keysOf: Readonly<Record<NonNullable<CreateAuthority['signingAlgorithm']>, readonly string[]>> = {
  sha256WithRSA: ['RSA2048', 'RSA3072', 'RSA4096'],
  sha256WithECDSA: ['ECCPRIME256V1'],
  sha384WithECDSA: ['ECCSECP384R1'],
  sha512WithECDSA: ['ECCSECP521R1'],
  ed25519: ['ED25519'],
};

function keyTypeOf({ keyType, signingAlgorithm }: CreateAuthority): string {
  const fitting = signingAlgorithm ? keysOf[signingAlgorithm] : undefined;
  const resolved = blame('keyType', () => resolveKeyType(keyType ?? fitting?.[0] ?? 'ECCPRIME256V1'));
  if (fitting && !fitting.includes(resolved))
    throw invalid('signingAlgorithm', `A ${resolved} key does not sign with ${signingAlgorithm}.`);
  return resolved;
}

function magnitudeOf(serial: bigint): Buffer {
  const hex = serial.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}

/** Throws Problem `invalid-request` that names the first member that a DN cannot hold. */
export function demandSubject(subject: SubjectFields): void {
  for (const [field, value] of Object.entries<string>(subject as Record<string, string>))
    blame(field, () => rebuildName(encodeSubject({ [field]: value })));
}

function subjectOf(request: CreateAuthority): SubjectFields {
  const { commonName, country, state, location, organization, organizationalUnit } = request;
  const given = Object.entries({ commonName, country, state, location, organization, organizationalUnit }).filter(
    ([, value]) => value,
  );
  const subject: SubjectFields = Object.fromEntries(given);
  demandSubject(subject);
  return subject;
}

/** Without a wish: 20 years for a root, 10 for a CA below it, but never longer than its parent. */
function validityOf(
  request: CreateAuthority,
  parent: LoadedAuthority | null,
  now: Date,
): { notBefore: Date; notAfter: Date } {
  const start =
    request.validityStart ?? new Date(Math.max(now.getTime() - 60_000, parent?.authority.notBefore.getTime() ?? 0));
  const notBefore = new Date(Math.floor(start.getTime() / 1000) * 1000);
  const parentEnd = parent?.authority.notAfter.getTime() ?? Infinity;
  const years = request.validityYears ?? defaultYears[request.type];
  const length = request.validityDays ? request.validityDays * dayMs : years * 365.25 * dayMs;
  const asked = request.validityEnd?.getTime() ?? notBefore.getTime() + length;
  const wished = request.validityEnd ?? request.validityYears ?? request.validityDays;
  const field = request.validityYears ? 'validityYears' : request.validityDays ? 'validityDays' : 'validityEnd';
  if (asked > parentEnd && wished !== undefined)
    throw invalid(field, `The parent ends at ${new Date(parentEnd).toISOString()}.`);
  const notAfter = new Date(Math.floor(Math.min(asked, parentEnd) / 1000) * 1000);
  if (notAfter <= notBefore || notAfter <= now)
    throw invalid('validityEnd', 'Validity start must be before validity end, and that in the future.');
  return { notBefore, notAfter };
}
