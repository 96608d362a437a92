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

/** Opens keys for those who may have them, on record. */
@Injectable()
export class KeyAccess {
  constructor(
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly authorities: Authorities,
    private readonly bundles: Bundles,
    private readonly refusals: KeyRefusals,
  ) {}

  async bundle(actor: Actor, certificate: Certificate, plugin: Pick<AnyPlugin, 'id' | 'aliases'>): Promise<Bundle> {
    await this.demand(
      actor,
      certificate,
      'You are not authorized to export this certificate with the plugin ' +
        `${slugOf(plugin)}: one that does not require a private key can be used by anyone.`,
    );
    if (!certificate.sealedKey && certificate.bodyPem !== null)
      throw invalid(
        'plugin',
        `The private key of ${certificate.name} is not kept here, and ${slugOf(plugin)} needs it.`,
      );
    return this.db.write((tx) =>
      this.bundles.withKey(tx, certificate, { actor, action: 'key.exported', after: { plugin: plugin.id } }),
    );
  }

  async key(actor: Actor, certificate: Certificate): Promise<string | null> {
    await this.demand(actor, certificate);
    if (!certificate.sealedKey) return null;
    return this.db.write((tx) => this.bundles.key(tx, certificate, { actor, action: 'key.viewed', after: {} }));
  }

  private async demand(actor: Actor, certificate: Certificate, refusal?: string): Promise<void> {
    try {
      await this.access.demandKey(this.db.single, actor, certificate, refusal);
    } catch (error) {
      if (error instanceof Problem && error.code === 'forbidden') await this.refusals.note(actor, certificate.id);
      throw error;
    }
  }

  /** The bundle without its key, and with the root above it where an authority here has issued it. */
  async public(certificate: Certificate): Promise<Bundle> {
    const bundle = this.bundles.public(certificate);
    if (certificate.authorityId === null) return bundle;
    const { certificatePem, chainPem } = (await this.authorities.get(certificate.authorityId)).authority;
    return { ...bundle, rootPem: chainPem.at(-1) ?? certificatePem };
  }
}

/** Gives a certificate out as a file, or its key. Every time a key leaves is an audit event, written before it does. */
@Injectable()
export class ExportService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly keys: KeyAccess,
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
  ) {}

  async export(actor: Actor, id: number, { plugin: choice }: ExportRequest): Promise<ExportView> {
    const certificate = await this.certificates.get(this.db.single, id);
    const plugin = this.configured.chosen('export', choice);
    const { values } = parseOptions(plugin, choice);
    const bundle = plugin.needsPrivateKey
      ? await this.keys.bundle(actor, certificate, plugin)
      : await this.keys.public(certificate);
    const {
      files: [file],
      extension,
      passphrase,
    } = await plugin.export({ bundle }, values, this.contexts.make(AbortSignal.timeout(timeoutMs)));
    if (!file) throw new Error(`Export plugin ${plugin.id} made no file.`);
    return { extension, passphrase: passphrase ?? null, data: file.bytes.toString('base64') };
  }

  /** PKCS#8 PEM; null where the key is not kept here. */
  async key(actor: Actor, id: number): Promise<string | null> {
    return this.keys.key(actor, await this.certificates.get(this.db.single, id));
  }
}
