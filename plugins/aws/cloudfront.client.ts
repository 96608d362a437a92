import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService } from './aws.client.js';
import { elements, escaped, textOf } from './xml.js';

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

/** The certificate that a distribution serves; without a member: that of cloudfront.net. */
export interface DistributionCertificate {
  /** Of a certificate of ACM. */
  arn?: string | undefined;
  /** Of a server certificate of IAM. */
  iamId?: string | undefined;
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

  /** What the distribution is configured to serve, and whether all edge locations have this configuration. */
  async get(id: string): Promise<{ served: DistributionCertificate; isDeployed: boolean }> {
    const answer = (await this.service.send({ path: `${path}/${id}` })).body.toString('utf8');
    return { served: certificateIn(viewerCertificateIn(answer)), isDeployed: textOf(answer, 'Status') === 'Deployed' };
  }

  /**
   * Makes the distribution serve the certificate, and changes nothing else of it. CloudFront refuses the change when
   * somebody else has changed the distribution meanwhile (`If-Match`).
   */
  async serve(id: string, { arn, iamId }: { arn: string; iamId?: string | undefined }): Promise<void> {
    const { headers, body } = await this.service.send({ path: `${path}/${id}/config` });
    const [config, version] = [body.toString('utf8'), headers.etag];
    const viewer = viewerCertificateIn(config);
    const served = certificateIn(viewer);
    if (iamId === undefined ? served.arn === arn : served.iamId === iamId) return;
    if (version === undefined) throw incomplete();
    await this.service.send({
      method: 'PUT',
      path: `${path}/${id}/config`,
      headers: { 'content-type': 'application/xml', 'if-match': version },
      body: config.replace(viewerElement, () => viewerCertificate(viewer, { arn, iamId })),
    });
  }
}

const viewerElement = /<ViewerCertificate(?:\s*\/>|>[\s\S]*?<\/ViewerCertificate>)/;

function viewerCertificateIn(xml: string): string {
  const [found] = viewerElement.exec(xml) ?? [];
  if (found === undefined) throw incomplete();
  return found;
}

function certificateIn(viewer: string): DistributionCertificate {
  return {
    arn: textOf(viewer, 'ACMCertificateArn') || undefined,
    iamId: textOf(viewer, 'IAMCertificateId') || undefined,
  };
}

/**
 * The element with another certificate. How TLS is spoken stays; a distribution that served the certificate of
 * cloudfront.net gets SNI, since CloudFront names addresses of its own for it (`vip`), which cost much.
 */
function viewerCertificate(before: string, { arn, iamId }: { arn: string; iamId?: string | undefined }): string {
  const hasOwn = textOf(before, 'CloudFrontDefaultCertificate') !== 'true';
  const method = (hasOwn && textOf(before, 'SSLSupportMethod')) || 'sni-only';
  const policy = (hasOwn && textOf(before, 'MinimumProtocolVersion')) || 'TLSv1.2_2021';
  const certificate =
    iamId === undefined
      ? `<ACMCertificateArn>${escaped(arn)}</ACMCertificateArn>`
      : `<IAMCertificateId>${escaped(iamId)}</IAMCertificateId>`;
  return (
    `<ViewerCertificate><CloudFrontDefaultCertificate>false</CloudFrontDefaultCertificate>${certificate}` +
    `<SSLSupportMethod>${escaped(method)}</SSLSupportMethod>` +
    `<MinimumProtocolVersion>${escaped(policy)}</MinimumProtocolVersion></ViewerCertificate>`
  );
}

function incomplete(): PluginError {
  return new PluginError('unavailable', 'The answer of AWS CloudFront is incomplete.');
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
