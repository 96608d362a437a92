import { Injectable } from '@nestjs/common';
import { parseCertificate } from '../pki/certificate.js';
import { crossCheckCertificate } from '../pki/cross-check.js';
import { splitCertificates } from '../pki/pem.js';
import { serialNumber } from '../pki/serial.js';
import type { CreateAuthorityRequest, IssuerPlugin } from '../plugin-api/issuer.js';
import type { OptionSchema } from '../plugin-api/options.js';
import { invalid } from '../platform/http/problem.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { LoadedAuthority } from './authorities.js';
import type { CaChain } from './ca-chain.js';
import { publicationOf } from './public-urls.js';

const timeoutMs = 60_000;

/** Has certificates of CAs made whose keys are here. */
@Injectable()
export class CaCertificates {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
  ) {}

  /**
   * The certificate and those above it, checked by another parser. `parent` signs it; null: its own key. Throws
   * PluginError, Problem `invalid-request`, and PkiError when two parsers disagree.
   */
  async make(
    plugin: IssuerPlugin<OptionSchema>,
    stored: StoredPlugin,
    request: Omit<CreateAuthorityRequest, 'parent' | 'parentPublication'>,
    parent: LoadedAuthority | null,
  ): Promise<CaChain> {
    const made = await plugin.createAuthority?.(
      { ...request, ...(parent && { parent: parent.material, parentPublication: publicationOf(parent) }) },
      this.configured.open(plugin, stored, 'authority'),
      this.contexts.make(AbortSignal.timeout(timeoutMs)),
    );
    const [certificatePem = '', ...chainPem] = made?.chainPem.flatMap(splitCertificates) ?? [];
    const certificate = parseCertificate(certificatePem);
    const { serial } = request;
    if (serial !== undefined && serialNumber(certificate.serialHex) !== BigInt(`0x${serial.toString('hex')}`))
      throw invalid('serialNumber', `${plugin.title} chooses serial numbers itself.`);
    await crossCheckCertificate(certificate, certificatePem, parent?.material.certificatePem ?? certificatePem);
    return { certificatePem, chainPem };
  }
}
