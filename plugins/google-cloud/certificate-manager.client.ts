import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type GoogleAccess, GoogleService } from './google-cloud.client.js';

const api = {
  baseUrl: 'https://certificatemanager.googleapis.com/v1',
  scope: 'https://www.googleapis.com/auth/cloud-platform',
};
const ours = { 'managed-by': 'perennial' };
const mostPolls = 15;
const pollMs = 2000;

const Held = z.object({ pemCertificate: z.string().default(''), labels: z.record(z.string(), z.string()).default({}) });
const Operation = z.object({
  name: z.string(),
  done: z.boolean().default(false),
  error: z.object({ message: z.string().default('') }).optional(),
});

/** PEM, the certificate with its chain. */
export interface ManagerMaterial {
  pemCertificate: string;
  pemPrivateKey: string;
}

/** Where certificates are, and which load balancers may use them. */
export interface ManagerPlace {
  location: string;
  scope: 'DEFAULT' | 'EDGE_CACHE' | 'ALL_REGIONS';
}

/** The self-managed certificates of one location. Every method throws PluginError. */
export class CertificateManager {
  private readonly service: GoogleService;
  private readonly parent: string;
  private readonly scope: ManagerPlace['scope'];

  constructor(
    access: GoogleAccess & ManagerPlace,
    private readonly ctx: PluginContext,
  ) {
    this.service = new GoogleService(api, access, ctx);
    this.parent = `/projects/${encodeURIComponent(this.service.project)}/locations/${access.location}/certificates`;
    this.scope = access.scope;
  }

  /** Certificate and chain in PEM; null when there is no such certificate. */
  async find(name: string): Promise<{ pem: string; isOurs: boolean } | null> {
    try {
      const { pemCertificate: pem, labels } = await this.service.json(Held, { path: `${this.parent}/${name}` });
      return { pem, isOurs: labels['managed-by'] === ours['managed-by'] };
    } catch (error) {
      if (error instanceof HttpFailure && error.answer.status === 404) return null;
      throw error;
    }
  }

  async create(name: string, selfManaged: ManagerMaterial): Promise<void> {
    const json = { selfManaged, labels: ours, scope: this.scope };
    await this.settled({ path: this.parent, query: { certificateId: name }, json });
  }

  /** In place of what is there: whatever uses the certificate goes on with the new one. */
  async replace(name: string, selfManaged: ManagerMaterial): Promise<void> {
    await this.settled({
      method: 'PATCH',
      path: `${this.parent}/${name}`,
      query: { updateMask: 'selfManaged' },
      json: { selfManaged },
    });
  }

  async delete(name: string): Promise<void> {
    await this.settled({ method: 'DELETE', path: `${this.parent}/${name}` });
  }

  /** Changes are operations that take a while. One that fails says so in words alone. */
  private async settled(call: JsonCall): Promise<void> {
    let operation = await this.service.json(Operation, call);
    for (let polls = 0; !operation.done && polls < mostPolls; polls += 1) {
      await setTimeout(polls === 0 ? 200 : pollMs, undefined, { signal: this.ctx.signal });
      operation = await this.service.json(Operation, { path: `/${operation.name}` });
    }
    if (!operation.done) throw new PluginError('unavailable', 'Google Cloud has not ended its operation yet.');
    if (operation.error)
      throw new PluginError(
        'refused',
        `Google Cloud refuses the certificate: ${operation.error.message}`.slice(0, 400),
      );
  }
}
