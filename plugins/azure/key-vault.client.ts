import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type AzureAccess, AzureService, publicLogin } from './azure.client.js';

const query = { 'api-version': '7.4' };
const ours = { 'managed-by': 'perennial' };
/** Where an application signs in, by the domain of the vault. */
const logins: Readonly<Record<string, string>> = {
  'vault.azure.net': publicLogin,
  'vault.azure.cn': 'https://login.chinacloudapi.cn',
  'vault.usgovcloudapi.net': 'https://login.microsoftonline.us',
};

const Held = z.object({ cer: z.base64(), tags: z.record(z.string(), z.string()).nullish() });
const ErrorCode = z.object({ error: z.object({ innererror: z.object({ code: z.string() }).nullish() }) });

/** Certificate and key for an import: base64 of a PFX with its password, or PEM text with the key first. */
export interface VaultMaterial {
  value: string;
  contentType: 'application/x-pkcs12' | 'application/x-pem-file';
  pwd?: string;
}

/** The newest version of a certificate in the vault. */
export interface HeldCertificate {
  der: Buffer;
  /** Whether this program made it. */
  isOurs: boolean;
}

/** The certificates of one key vault. Every method throws PluginError. */
export class KeyVault {
  private readonly service: AzureService;

  constructor(access: AzureAccess & { vaultUrl: string }, ctx: PluginContext) {
    const baseUrl = access.vaultUrl.replace(/\/$/, '');
    const domain = new URL(baseUrl).host.replace(/^[^.]+\./, '');
    const loginUrl = logins[domain] ?? publicLogin;
    this.service = new AzureService({ name: 'Azure', baseUrl, audience: `https://${domain}`, loginUrl }, access, ctx);
  }

  /** Null when there is no such certificate. */
  async find(name: string): Promise<HeldCertificate | null> {
    try {
      const { cer, tags } = await this.service.json(Held, { path: `/certificates/${name}`, query });
      return { der: Buffer.from(cer, 'base64'), isOurs: tags?.['managed-by'] === ours['managed-by'] };
    } catch (error) {
      if (error instanceof HttpFailure && error.answer.status === 404) return null;
      throw error;
    }
  }

  /** Adds a version. */
  async import(name: string, { contentType, ...material }: VaultMaterial): Promise<void> {
    try {
      await this.service.send({
        path: `/certificates/${name}/import`,
        query,
        json: { ...material, policy: { secret_props: { contentType } }, tags: ours },
      });
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 409) throw error;
      const code = ErrorCode.safeParse(error.answer.body).data?.error.innererror?.code;
      if (code === 'ObjectIsDeletedButRecoverable') await this.recover(name);
      throw new PluginError('unavailable', `The vault is busy with the certificate ${name}, or recovers it.`);
    }
  }

  /** The vault keeps what is deleted for its retention period. */
  async delete(name: string): Promise<void> {
    try {
      await this.service.send({ method: 'DELETE', path: `/certificates/${name}`, query });
    } catch (error) {
      if (!(error instanceof HttpFailure && error.answer.status === 404)) throw error;
    }
  }

  /** A name of which a deleted certificate is kept can be used only when that one is back. */
  private async recover(name: string): Promise<void> {
    await this.service.send({ method: 'POST', path: `/deletedcertificates/${name}/recover`, query });
  }
}
