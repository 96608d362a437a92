import { splitCertificates } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { AcmCertificates } from './acm.client.js';
import type { AwsAccess } from './aws-credentials.js';
import { nameInLocation } from './iam-name.js';
import { type HeldCertificate, IamCertificates } from './iam.client.js';

/** The certificates of ACM and IAM to which services refer, each read once. Call `close` at the end. */
export class HeldCertificates {
  private readonly chains = new Map<string, readonly string[]>();
  private iam: IamCertificates | undefined;
  private byId: Map<string, string> | undefined;

  /** `access` names the region of IAM. */
  constructor(
    private readonly access: AwsAccess,
    private readonly ctx: PluginContext,
  ) {}

  /** Leaf and issuers of the certificate with this ARN; empty when there is none. Throws PluginError. */
  async chainOf(arn: string): Promise<readonly string[]> {
    const known = this.chains.get(arn);
    if (known !== undefined) return known;
    const chain = arn.includes(':server-certificate/') ? await this.inIam(arn) : await this.inAcm(arn);
    this.chains.set(arn, chain);
    return chain;
  }

  /** The ARN of the server certificate of IAM with this id, `ASCA…`; undefined when there is none. */
  async arnOfId(id: string): Promise<string | undefined> {
    if (this.byId === undefined) {
      this.byId = new Map();
      for await (const { id: one, arn } of (await this.openIam()).list('/')) this.byId.set(one, arn);
    }
    return this.byId.get(id);
  }

  close(): void {
    this.iam?.close();
  }

  private async inAcm(arn: string): Promise<readonly string[]> {
    const region = arn.split(':')[3] ?? this.access.region;
    const held = await new AcmCertificates({ ...this.access, region }, this.ctx).find(arn);
    return held === null ? [] : [held.leafPem, ...issuersIn(held.chainPem)];
  }

  private async inIam(arn: string): Promise<readonly string[]> {
    const held = await (await this.openIam()).find(nameInLocation(arn));
    return held?.arn === arn ? chainOfIam(held) : [];
  }

  private async openIam(): Promise<IamCertificates> {
    this.iam ??= await IamCertificates.open(this.access, this.ctx);
    return this.iam;
  }
}

/** Leaf, then issuers. */
export function chainOfIam({ bodyPem, chainPem }: HeldCertificate): string[] {
  return [bodyPem, ...issuersIn(chainPem)];
}

function issuersIn(chainPem: string): string[] {
  try {
    return chainPem === '' ? [] : splitCertificates(chainPem);
  } catch (error) {
    if (error instanceof PkiError) return [];
    throw error;
  }
}
