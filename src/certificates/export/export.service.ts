import { Injectable } from '@nestjs/common';
import { KeyRefusals } from '../../auth/key-refusals.js';
import { Authorities } from '../../authorities/authorities.js';
import type { AnyPlugin } from '../../plugin-api/any-plugin.js';
import type { Bundle } from '../../plugin-api/export.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { ConfiguredPlugins, parseOptions } from '../../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../../platform/plugins/plugin-context.js';
import { slugOf } from '../../platform/plugins/registry.js';
import { CertificateAccess } from '../access.js';
import { Bundles } from '../bundle.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import type { ExportRequest, ExportView } from './export.schema.js';

const timeoutMs = 60_000;

/**
 * Exports certificates as files and reads their private keys. Each export or read of a key is an audit event, committed
 * before the key is returned; refusals are recorded too.
 */
@Injectable()
export class ExportService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly refusals: KeyRefusals,
    private readonly bundles: Bundles,
    private readonly authorities: Authorities,
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
  ) {}

  /** Throws Problem: `not-found`, `forbidden`, `invalid-request` for an unusable plugin or a key that is not stored. */
  async export(actor: Actor, id: number, { plugin: choice }: ExportRequest): Promise<ExportView> {
    const certificate = await this.certificates.get(this.db.single, id);
    const plugin = this.configured.chosen('export', choice);
    const { values } = parseOptions(plugin, choice);
    const bundle = plugin.needsPrivateKey
      ? await this.bundleWithKey(actor, certificate, plugin)
      : await this.bundleWithRoot(certificate);
    const context = this.contexts.make(AbortSignal.timeout(timeoutMs));
    const exported = await plugin.export({ bundle, stem: bundle.name }, values, context);
    const files = exported.files.map(({ name, bytes }) => ({ name, data: bytes.toString('base64') }));
    const [main] = files;
    if (!main) throw new Error(`Export plugin ${plugin.id} returned no file.`);
    return { extension: exported.extension, passphrase: exported.passphrase ?? null, data: main.data, files };
  }

  /** The private key as PKCS#8 PEM; null if it is not stored. Throws Problem: `not-found`, `forbidden`. */
  async key(actor: Actor, id: number): Promise<string | null> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.demandKey(actor, certificate);
    if (!certificate.sealedKey) return null;
    return this.db.write((tx) => this.bundles.key(tx, certificate, { actor, action: 'key.viewed', after: {} }));
  }

  /** Checks the right to the key, and records the export, before it opens the key. */
  private async bundleWithKey(
    actor: Actor,
    certificate: Certificate,
    plugin: Pick<AnyPlugin, 'id' | 'aliases'>,
  ): Promise<Bundle> {
    await this.demandKey(
      actor,
      certificate,
      'You are not authorized to export this certificate with the plugin ' +
        `${slugOf(plugin)}: one that does not require a private key can be used by anyone.`,
    );
    if (!certificate.sealedKey && certificate.bodyPem !== null)
      throw invalid(
        'plugin',
        `The private key of ${certificate.name} is not stored here, and ${slugOf(plugin)} needs it.`,
      );
    return this.db.write((tx) =>
      this.bundles.withKey(tx, certificate, { actor, action: 'key.exported', after: { plugin: plugin.id } }),
    );
  }

  /** Without the private key, and with the root certificate if an authority here issued it. */
  private async bundleWithRoot(certificate: Certificate): Promise<Bundle> {
    const bundle = this.bundles.public(certificate);
    if (certificate.authorityId === null) return bundle;
    const { certificatePem, chainPem } = (await this.authorities.get(certificate.authorityId)).authority;
    return { ...bundle, rootPem: chainPem.at(-1) ?? certificatePem };
  }

  /** Throws Problem `forbidden`, and records the refusal. */
  private async demandKey(actor: Actor, certificate: Certificate, refusal?: string): Promise<void> {
    try {
      await this.access.demandKey(this.db.single, actor, certificate, refusal);
    } catch (error) {
      if (error instanceof Problem && error.code === 'forbidden')
        await this.refusals.note(actor, { targetType: 'certificate', targetId: certificate.id });
      throw error;
    }
  }
}
