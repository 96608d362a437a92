import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { serviceIn } from './aws-request.js';
import { AwsService } from './aws.client.js';
import { elements, textOf } from './xml.js';

/** A load balancer of either version. `id` is its ARN, or its name for a classic one, which has none. */
export interface LoadBalancer {
  id: string;
  name: string;
  dnsName: string;
}

/** A listener that ends TLS. */
export interface TlsListener {
  arn: string;
  port: number;
  policy: string;
}

/** A listener of a classic load balancer that ends TLS, with the ARN of its certificate in ACM or IAM. */
export interface ClassicListener {
  port: number;
  certificateArn: string;
  policies: readonly string[];
}

const pageSize = '400';
const signedAs = 'elasticloadbalancing';

/** Application and network load balancers of one region (ELB version 2). Every method throws PluginError. */
export class LoadBalancers {
  private readonly service: AwsService;

  constructor(access: AwsAccess, ctx: PluginContext) {
    this.service = new AwsService(serviceIn(access.region, 'AWS ELB', signedAs), access, ctx);
  }

  async *list(): AsyncGenerator<LoadBalancer> {
    for await (const answer of this.pages('DescribeLoadBalancers', {}))
      for (const one of members(answer, 'LoadBalancers'))
        yield {
          id: textOf(one, 'LoadBalancerArn') ?? '',
          name: textOf(one, 'LoadBalancerName') ?? '',
          dnsName: textOf(one, 'DNSName') ?? '',
        };
  }

  async listenersOf(loadBalancer: string): Promise<TlsListener[]> {
    const found: TlsListener[] = [];
    for await (const answer of this.pages('DescribeListeners', { LoadBalancerArn: loadBalancer }))
      for (const one of members(answer, 'Listeners'))
        if (['HTTPS', 'TLS'].includes(textOf(one, 'Protocol') ?? ''))
          found.push({
            arn: textOf(one, 'ListenerArn') ?? '',
            port: Number(textOf(one, 'Port')),
            policy: textOf(one, 'SslPolicy') ?? '',
          });
    return found;
  }

  /** Versions of TLS as `Protocol-TLSv1.2`, and cipher suites in OpenSSL's names. */
  async acceptedBy(policy: string): Promise<string[]> {
    const answer = await this.service.query('DescribeSSLPolicies', '2015-12-01', { 'Names.member.1': policy });
    const [found = ''] = members(answer, 'SslPolicies');
    const versions = members(found, 'SslProtocols').map((version) => `Protocol-${version}`);
    return [...versions, ...members(found, 'Ciphers').map((one) => textOf(one, 'Name') ?? '')];
  }

  private async *pages(action: string, parameters: Record<string, string>): AsyncGenerator<string> {
    let marker: string | undefined;
    do {
      const page = { ...parameters, PageSize: pageSize, ...(marker !== undefined && { Marker: marker }) };
      const answer = await this.service.query(action, '2015-12-01', page);
      yield answer;
      marker = textOf(answer, 'NextMarker') || undefined;
    } while (marker !== undefined);
  }
}

/** Classic load balancers of one region. Every method throws PluginError. */
export class ClassicLoadBalancers {
  private readonly service: AwsService;

  constructor(access: AwsAccess, ctx: PluginContext) {
    this.service = new AwsService(serviceIn(access.region, 'AWS ELB', signedAs), access, ctx);
  }

  async *list(): AsyncGenerator<LoadBalancer & { listeners: ClassicListener[] }> {
    let marker: string | undefined;
    do {
      const page = { PageSize: pageSize, ...(marker !== undefined && { Marker: marker }) };
      const answer = await this.service.query('DescribeLoadBalancers', '2012-06-01', page);
      for (const one of members(answer, 'LoadBalancerDescriptions')) {
        const name = textOf(one, 'LoadBalancerName') ?? '';
        yield { id: name, name, dnsName: textOf(one, 'DNSName') ?? '', listeners: classicListeners(one) };
      }
      marker = textOf(answer, 'NextMarker') || undefined;
    } while (marker !== undefined);
  }

  /** The TLS listeners of the load balancer with this name. */
  async listenersOf(loadBalancer: string): Promise<ClassicListener[]> {
    const answer = await this.service.query('DescribeLoadBalancers', '2012-06-01', {
      'LoadBalancerNames.member.1': loadBalancer,
    });
    return members(answer, 'LoadBalancerDescriptions').flatMap(classicListeners);
  }

  /** Makes the listener at `port` serve this certificate of ACM or IAM. */
  async serve(loadBalancer: string, port: number, certificateArn: string): Promise<void> {
    await this.service.query('SetLoadBalancerListenerSSLCertificate', '2012-06-01', {
      LoadBalancerName: loadBalancer,
      LoadBalancerPort: String(port),
      SSLCertificateId: certificateArn,
    });
  }

  /** The same of a policy of this load balancer. */
  async acceptedBy(loadBalancer: string, policy: string): Promise<string[]> {
    const answer = await this.service.query('DescribeLoadBalancerPolicies', '2012-06-01', {
      LoadBalancerName: loadBalancer,
      'PolicyNames.member.1': policy,
    });
    return members(answer, 'PolicyAttributeDescriptions')
      .filter((one) => textOf(one, 'AttributeValue') === 'true')
      .map((one) => textOf(one, 'AttributeName') ?? '')
      .filter((name) => name !== 'Server-Defined-Cipher-Order');
  }
}

function classicListeners(loadBalancer: string): ClassicListener[] {
  return members(loadBalancer, 'ListenerDescriptions').flatMap((one) => {
    const certificateArn = textOf(one, 'SSLCertificateId');
    if (!certificateArn?.startsWith('arn:')) return [];
    return { port: Number(textOf(one, 'LoadBalancerPort')), certificateArn, policies: members(one, 'PolicyNames') };
  });
}

/** The `member`s of the first list with this name. */
function members(xml: string, list: string): string[] {
  const [content = ''] = elements(xml, list);
  return elements(content, 'member');
}
