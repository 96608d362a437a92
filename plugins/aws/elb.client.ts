import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService, unlessAws } from './aws.client.js';
import { serviceIn } from './aws-request.js';
import { elements, textOf } from './xml.js';

/** A certificate that a listener serves. */
export interface ListenerCertificate {
  arn: string;
  isDefault: boolean;
}

/** The listeners of the load balancers of one region (ELB version 2). Every method throws PluginError. */
export class Listeners {
  private readonly service: AwsService;

  constructor(access: AwsAccess, ctx: PluginContext) {
    this.service = new AwsService(serviceIn(access.region, 'AWS ELB', 'elasticloadbalancing'), access, ctx);
  }

  async certificatesOf(listener: string): Promise<ListenerCertificate[]> {
    const found: ListenerCertificate[] = [];
    let marker: string | undefined;
    do {
      const answer = await this.ask('DescribeListenerCertificates', {
        ListenerArn: listener,
        PageSize: '400',
        ...(marker !== undefined && { Marker: marker }),
      });
      for (const one of elements(answer, 'member'))
        found.push({ arn: textOf(one, 'CertificateArn') ?? '', isDefault: textOf(one, 'IsDefault') === 'true' });
      marker = textOf(answer, 'NextMarker') || undefined;
    } while (marker !== undefined);
    return found;
  }

  /** Makes the listener serve the certificate. Again, it changes nothing. */
  async serve(listener: string, arn: string, use: 'sni' | 'default'): Promise<void> {
    const held = (await this.certificatesOf(listener)).filter((one) => one.arn === arn);
    if (use === 'default' && !held.some(({ isDefault }) => isDefault))
      await this.ask('ModifyListener', { ListenerArn: listener, 'Certificates.member.1.CertificateArn': arn });
    if (use === 'sni' && held.length === 0)
      await this.ask('AddListenerCertificates', { ListenerArn: listener, 'Certificates.member.1.CertificateArn': arn });
  }

  /** Takes the certificate off the listener, unless it is the default one, which a listener cannot lack. */
  async release(listener: string, arn: string): Promise<void> {
    const found = await unlessAws(this.certificatesOf(listener), 'ListenerNotFound');
    if (!found?.some((one) => one.arn === arn && !one.isDefault)) return;
    await this.ask('RemoveListenerCertificates', {
      ListenerArn: listener,
      'Certificates.member.1.CertificateArn': arn,
    });
  }

  private ask(action: string, parameters: Record<string, string>): Promise<string> {
    return this.service.query(action, '2015-12-01', parameters);
  }
}
