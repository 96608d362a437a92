import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { signPathOf, type VaultPkiOptions } from './vault-pki.options.js';
import { isNothing, orNull, VaultClient } from './vault.client.js';

const largestList = 64 * 1024 * 1024;

const data = <T extends z.ZodRawShape>(shape: T) => z.object({ data: z.object(shape) });
const Signed = data({
  certificate: z.string().min(1),
  issuing_ca: z.string().optional(),
  ca_chain: z.array(z.string()).nullish(),
  serial_number: z.string().min(1),
});
const Held = data({ certificate: z.string().min(1), revocation_time: z.number().default(0) });
const Keys = data({ keys: z.array(z.string()) });
const Issuers = data({
  keys: z.array(z.string()),
  key_info: z
    .record(z.string(), z.object({ is_default: z.boolean().default(false), key_id: z.string().optional() }))
    .default({}),
});
const Issuer = data({ certificate: z.string().min(1), ca_chain: z.array(z.string()).nullish() });

/** Words of an error 400 or 500 that is one of the engine's settings. */
const settingWords = /unknown role|unable to find PKI issuer|no default issuer|could not fetch the CA certificate/i;
const foreignWords = /unable to verify signature on presented cert/i;

export type SignedByVault = z.infer<typeof Signed>['data'];
export type HeldAtVault = z.infer<typeof Held>['data'] & { serial: string };

/** The HTTP API of the PKI engine of Vault or OpenBao. Every method throws PluginError. */
export class VaultPkiClient {
  private readonly vault: VaultClient;

  /** Throws PluginError `misconfigured` without a way to sign in. */
  constructor(
    private readonly options: VaultPkiOptions,
    ctx: PluginContext,
  ) {
    this.vault = new VaultClient(options, ctx);
  }

  /** `request` is what the engine takes beside the CSR. */
  async sign(csr: string, request: object): Promise<SignedByVault> {
    return (await this.engine(Signed, { path: signPathOf(this.options), json: { csr, ...request } })).data;
  }

  /** The serial numbers of all certificates that the engine has kept, in its form. */
  async serials(): Promise<string[]> {
    const found = await orNull(this.engine(Keys, { path: '/certs?list=true', maxBytes: largestList }));
    return found?.data.keys ?? [];
  }

  /** Null: the engine has not kept such a certificate. `serial` has the form of the engine. */
  async certificate(serial: string): Promise<HeldAtVault | null> {
    const found = await orNull(this.engine(Held, { path: `/cert/${serial}` }));
    return found && { serial, ...found.data };
  }

  /** Done again, it changes nothing. A certificate that the engine has not kept is revoked by its PEM. */
  async revoke(serial: string, pem: string): Promise<void> {
    const state = data({ revocation_time: z.number() });
    try {
      await this.engine(state, { path: '/revoke', json: { serial_number: serial } });
    } catch (error) {
      if (!(error instanceof HttpFailure && /not found/i.test(error.detail))) throw error;
      await this.engine(state, { path: '/revoke', json: { certificate: pem } });
    }
  }

  /** The issuer of the options, or all of the engine that have a key, the default one first; each with its chain. */
  async issuers(): Promise<string[][]> {
    const { issuer } = this.options;
    const chains: string[][] = [];
    for (const ref of issuer === undefined ? await this.issuerIds() : [issuer]) {
      const { certificate, ca_chain: chain } = (await this.engine(Issuer, { path: `/issuer/${ref}/json` })).data;
      chains.push(chain && chain.length > 0 ? chain : [certificate]);
    }
    if (chains.length === 0) throw new PluginError('misconfigured', 'Vault has no issuer with a key in this engine.');
    return chains;
  }

  /** Throws PluginError `misconfigured` when the token does not allow to sign. Signs nothing. */
  demandRights(): Promise<void> {
    return this.vault.demandRights(`${this.options.mount}${signPathOf(this.options)}`, ['update']);
  }

  /** Throws PluginError `misconfigured` when the engine has no such role. A role that may not be read may exist. */
  async demandRole(): Promise<void> {
    const { role } = this.options;
    if (role === undefined) return;
    try {
      await this.engine(data({}), { path: `/roles/${role}` });
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 403)
        throw isNothing(error) ? new PluginError('misconfigured', `Vault has no role ${role} in this engine.`) : error;
    }
  }

  private async issuerIds(): Promise<string[]> {
    const found = await orNull(this.engine(Issuers, { path: '/issuers?list=true' }));
    const { keys, key_info: known } = found?.data ?? { keys: [], key_info: {} };
    const defaultFirst = (id: string): number => (known[id]?.is_default ? 0 : 1);
    return keys.filter((id) => known[id]?.key_id !== '').sort((a, b) => defaultFirst(a) - defaultFirst(b));
  }

  private async engine<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    try {
      return await this.vault.json(shape, { ...call, path: `/${this.options.mount}${call.path}` });
    } catch (error) {
      throw error instanceof HttpFailure ? new HttpFailure(faultOf(error), error.detail, error.answer) : error;
    }
  }
}

/** Without a role or an issuer nothing can be signed until a person acts; a request is not to blame. */
function faultOf({ answer: { body }, detail, fault }: HttpFailure): PluginFault {
  if (body === undefined) return fault;
  if (settingWords.test(detail)) return 'misconfigured';
  return foreignWords.test(detail) ? 'refused' : fault;
}
