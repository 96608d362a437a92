import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService, unlessAws } from './aws.client.js';
import { AwsFailure, serviceIn } from './aws-request.js';

const Summary = z.object({
  CertificateArn: z.string(),
  DomainName: z.string().default(''),
  Type: z.string().optional(),
  InUse: z.boolean().default(false),
});
const Listed = z.object({
  CertificateSummaryList: z.array(Summary),
  NextToken: z.string().nullish(),
});
const Tagged = z.object({ Tags: z.array(z.object({ Key: z.string(), Value: z.string().optional() })).optional() });
const Imported = z.object({ CertificateArn: z.string() });
const Held = z.object({ Certificate: z.string(), CertificateChain: z.string().nullish() });
const Described = z.object({ Certificate: z.object({ InUseBy: z.array(z.string()).nullish() }) });
const Nothing = z.unknown();

/** Without this list, ACM lists certificates with RSA keys of up to 2048 bits alone. */
const keyTypes = ['RSA_1024', 'RSA_2048', 'RSA_3072', 'RSA_4096', 'EC_prime256v1', 'EC_secp384r1', 'EC_secp521r1'];

/** Those that have been issued, also when they are over. */
const issued = ['ISSUED', 'EXPIRED', 'INACTIVE', 'REVOKED'];

/** An entry in a list of certificates. */
export interface ListedAcm {
  arn: string;
  domainName: string;
  /** `IMPORTED`, `AMAZON_ISSUED` or `PRIVATE`. */
  type: string | undefined;
  isInUse: boolean;
}

/** PEM, as ACM takes it. */
export interface AcmMaterial {
  certificate: string;
  chain: string;
  privateKey: string;
}

/** The certificates of one region. Every method throws PluginError. */
export class AcmCertificates {
  private readonly service: AwsService;

  constructor(access: AwsAccess, ctx: PluginContext) {
    this.service = new AwsService(serviceIn(access.region, 'AWS ACM', 'acm'), access, ctx);
  }

  /** The ARN of the certificate with this tag, whose domain name is one of the given ones; null: there is none. */
  async findTagged(tag: { key: string; value: string }, domainNames: readonly string[]): Promise<string | null> {
    const names = new Set(domainNames.map((name) => name.toLowerCase()));
    for await (const { arn, domainName, type } of this.list()) {
      if (type === 'AMAZON_ISSUED' || type === 'PRIVATE' || !names.has(domainName.toLowerCase())) continue;
      if ((await this.tagsOf(arn)).some(({ Key, Value }) => Key === tag.key && Value === tag.value)) return arn;
    }
    return null;
  }

  /** Every certificate that is issued, whatever its key. */
  async *list(): AsyncGenerator<ListedAcm> {
    let token: string | undefined;
    do {
      const page = await this.call(Listed, 'ListCertificates', {
        MaxItems: 1000,
        CertificateStatuses: issued,
        Includes: { keyTypes },
        ...(token !== undefined && { NextToken: token }),
      });
      for (const {
        CertificateArn: arn,
        DomainName: domainName,
        Type: type,
        InUse: isInUse,
      } of page.CertificateSummaryList)
        yield { arn, domainName, type, isInUse };
      token = page.NextToken ?? undefined;
    } while (token !== undefined);
  }

  /** Answers the ARN. With `arn`, in place of what is there: whatever uses the certificate goes on with the new one. */
  async import(
    { certificate, chain, privateKey }: AcmMaterial,
    place: { arn: string } | { tags: readonly { Key: string; Value: string }[] },
  ): Promise<string> {
    const { CertificateArn: arn } = await this.call(Imported, 'ImportCertificate', {
      Certificate: base64(certificate),
      PrivateKey: base64(privateKey),
      ...(chain !== '' && { CertificateChain: base64(chain) }),
      ...('arn' in place ? { CertificateArn: place.arn } : { Tags: place.tags }),
    });
    return arn;
  }

  async tag(arn: string, tags: readonly { Key: string; Value: string }[]): Promise<void> {
    await this.call(Nothing, 'AddTagsToCertificate', { CertificateArn: arn, Tags: tags });
  }

  /** Leaf and chain; null when there is no such certificate. */
  async find(arn: string): Promise<{ leafPem: string; chainPem: string } | null> {
    const held = await unlessAws(this.call(Held, 'GetCertificate', { CertificateArn: arn }), 'ResourceNotFound');
    return held && { leafPem: held.Certificate, chainPem: held.CertificateChain ?? '' };
  }

  /** The ARNs of what serves the certificate. */
  async usersOf(arn: string): Promise<readonly string[]> {
    return (await this.call(Described, 'DescribeCertificate', { CertificateArn: arn })).Certificate.InUseBy ?? [];
  }

  /** Succeeds when there is no such certificate. `misconfigured`, and who uses it, while it is in use. */
  async delete(arn: string): Promise<void> {
    try {
      await unlessAws(this.call(Nothing, 'DeleteCertificate', { CertificateArn: arn }), 'ResourceNotFound');
    } catch (error) {
      if (!(error instanceof AwsFailure) || error.code !== 'ResourceInUse') throw error;
      const users = (await this.usersOf(arn)).join(', ');
      throw new PluginError('misconfigured', `The certificate is still in use by ${users || 'another resource'}.`);
    }
  }

  private async tagsOf(arn: string): Promise<readonly { Key: string; Value?: string | undefined }[]> {
    const found = this.call(Tagged, 'ListTagsForCertificate', { CertificateArn: arn });
    return (await unlessAws(found, 'ResourceNotFound'))?.Tags ?? [];
  }

  private call<T>(shape: z.ZodType<T>, action: string, input: object): Promise<T> {
    return this.service.json(shape, `CertificateManager.${action}`, input);
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
