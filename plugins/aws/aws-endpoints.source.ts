import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { defineSource, pollRateOption } from '../../src/plugin-api/source.js';
import { findsOf, type SourcePart } from '../../src/plugin-api/source-parts.js';
import { atEvery } from '../../src/plugin-api/targets.js';
import { AcmCertificates } from './acm.client.js';
import { demandAccount } from './aws-credentials.js';
import { awsAccount, awsRegion, demandWhole } from './aws.options.js';
import { cloudFrontRegion, Distributions } from './cloudfront.client.js';
import { HeldCertificates } from './held-certificates.js';
import { acmFinds, classicFinds, distributionFinds, listenerFinds } from './served-certificates.js';

const options = z.strictObject({
  regions: z
    .array(awsRegion)
    .min(1)
    .max(40)
    .meta({ title: 'Regions', description: 'The AWS regions that are searched.', examples: [['eu-central-1']] }),
  services: z
    .array(z.enum(['acm', 'elb', 'cloudfront']))
    .min(1)
    .default(['acm', 'elb', 'cloudfront'])
    .meta({
      title: 'Services',
      description:
        'acm: certificates of ACM, and what else uses them. elb: TLS listeners of load balancers of all kinds. ' +
        'cloudfront: distributions with a certificate of their own, in all regions.',
    }),
  ...awsAccount,
  pollRate: pollRateOption,
});

type EndpointOptions = Options<typeof options>;

/** Finds the certificates of ACM, and the load balancers, distributions and services that serve certificates. */
export const awsEndpoints = defineSource({
  id: 'aws-endpoints',
  title: 'AWS certificates and endpoints',
  description:
    'Finds the certificates of ACM and, as endpoints, the listeners of load balancers, the CloudFront distributions ' +
    'and other services that serve certificates of ACM or IAM.',
  options,

  async admit(o) {
    demandWhole(o);
  },

  async check(o, ctx) {
    const region = homeOf(o);
    await demandAccount({ ...o, region }, ctx);
    const held = new HeldCertificates({ ...o, region }, ctx);
    try {
      const parts = partsOf(o, held, ctx).map((part) => ({ ...part, name: part.location }));
      await atEvery(parts, ctx, async ({ finds }) => void (await finds()[Symbol.asyncIterator]().next()));
    } finally {
      held.close();
    }
  },

  async *scan(o, ctx) {
    ctx.signal.throwIfAborted();
    const region = homeOf(o);
    await demandAccount({ ...o, region }, ctx);
    const held = new HeldCertificates({ ...o, region, waitsWhenThrottled: true }, ctx);
    try {
      yield* findsOf(partsOf(o, held, ctx), ctx);
    } finally {
      held.close();
    }
  },

  async remove({ location, sha256 }, o, ctx) {
    const region = location.split(':')[3] ?? '';
    if (!/^arn:aws[\w-]*:acm:/.test(location) || !o.regions.includes(region))
      throw new PluginError('refused', `${location} is no certificate of ACM in a region of this source.`);
    await demandAccount({ ...o, region }, ctx);
    const acm = new AcmCertificates({ ...o, region }, ctx);
    const held = await acm.find(location);
    if (held === null) return;
    if (new X509Certificate(held.leafPem).fingerprint256.replaceAll(':', '').toLowerCase() !== sha256)
      throw new PluginError('refused', `${location} is another certificate by now.`);
    await acm.delete(location);
  },
});

/** The services in the regions. */
function partsOf(o: EndpointOptions, held: HeldCertificates, ctx: PluginContext): SourcePart[] {
  const has = (service: EndpointOptions['services'][number]): boolean => o.services.includes(service);
  const of = (region: string) => ({ ...o, region, waitsWhenThrottled: true });
  const cloudFront = `arn:${partitionOf(homeOf(o))}:cloudfront:`;
  const inRegions = [...new Set(o.regions)].flatMap((region): SourcePart[] => {
    const elb = `arn:${partitionOf(region)}:elasticloadbalancing:`;
    const usersExcept = [...(has('elb') ? [elb] : []), ...(has('cloudfront') ? [cloudFront] : [])];
    return [
      ...(has('acm')
        ? [
            {
              location: `arn:${partitionOf(region)}:acm:${region}:`,
              usersExcept,
              finds: () => acmFinds(new AcmCertificates(of(region), ctx), { usersExcept, held }, ctx),
            },
          ]
        : []),
      ...(has('elb')
        ? [
            { location: `${elb}${region}:`, finds: () => listenerFinds(of(region), held, ctx) },
            { location: `${region}/`, finds: () => classicFinds(of(region), held, ctx) },
          ]
        : []),
    ];
  });
  const global = {
    location: cloudFront,
    finds: () => distributionFinds(new Distributions(of(cloudFrontRegion), ctx), held, ctx),
  };
  return has('cloudfront') ? [...inRegions, global] : inRegions;
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

/** The region in which IAM and STS of the partition are asked. */
function homeOf({ regions: [first = cloudFrontRegion] }: EndpointOptions): string {
  return { 'aws-cn': 'cn-north-1', 'aws-us-gov': 'us-gov-west-1', aws: cloudFrontRegion }[partitionOf(first)] ?? first;
}
