import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService } from './aws.client.js';
import { elements, textOf } from './xml.js';

/** A distribution that serves a certificate of its own. */
export interface Distribution {
  id: string;
  arn: string;
  dnsName: string;
  aliases: readonly string[];
  /** Of ACM in us-east-1; or else `iamId`, the id of a server certificate of IAM. */
  certificateArn?: string | undefined;
  iamId?: string | undefined;
  /** The security policy, e.g. `TLSv1.2_2021`. */
  policy: string;
}

/** CloudFront takes certificates of ACM from this region alone, and is signed for it. */
export const cloudFrontRegion = 'us-east-1';
const path = '/2020-05-31/distribution';

/** The distributions of an account. Every method throws PluginError. */
export class Distributions {
  private readonly service: AwsService;

  constructor(access: AwsAccess, ctx: PluginContext) {
    const region = cloudFrontRegion;
    const service = { name: 'AWS CloudFront', signedAs: 'cloudfront', host: 'cloudfront.amazonaws.com', region };
    this.service = new AwsService(service, { ...access, region }, ctx);
  }

  /** Those with a certificate of their own; the others serve that of cloudfront.net. */
  async *list(): AsyncGenerator<Distribution> {
    let marker: string | undefined;
    do {
      const query = { MaxItems: '100', ...(marker !== undefined && { Marker: marker }) };
      const answer = (await this.service.send({ path, query })).body.toString('utf8');
      for (const one of elements(answer, 'DistributionSummary')) {
        const found = distributionOf(one);
        if (found.certificateArn !== undefined || found.iamId !== undefined) yield found;
      }
      marker = textOf(answer, 'IsTruncated') === 'true' ? textOf(answer, 'NextMarker') || undefined : undefined;
    } while (marker !== undefined);
  }
}

function distributionOf(xml: string): Distribution {
  const [viewer = ''] = elements(xml, 'ViewerCertificate');
  const [aliases = ''] = elements(xml, 'Aliases');
  return {
    id: textOf(xml, 'Id') ?? '',
    arn: textOf(xml, 'ARN') ?? '',
    dnsName: textOf(xml, 'DomainName') ?? '',
    aliases: elements(aliases, 'CNAME'),
    certificateArn: textOf(viewer, 'ACMCertificateArn') || undefined,
    iamId: textOf(viewer, 'IAMCertificateId') || undefined,
    policy: textOf(viewer, 'MinimumProtocolVersion') ?? '',
  };
}
