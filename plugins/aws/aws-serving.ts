import { z } from 'zod';
import type { Verdict } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { atEvery, failureAmong, type Target } from '../../src/plugin-api/targets.js';
import type { AwsAccess } from './aws-credentials.js';
import { Distributions } from './cloudfront.client.js';
import { Listeners } from './elb.client.js';
import { ClassicLoadBalancers } from './load-balancers.client.js';

/** The options that name what is to serve the certificates of a destination. */
export const servingOptions = {
  listeners: z
    .array(
      z
        .string()
        .regex(/^arn:aws[\w-]*:elasticloadbalancing:[\w-]+:\d{12}:listener\/[\w/-]+$/, 'must be the ARN of a listener'),
    )
    .max(50)
    .default([])
    .meta({
      title: 'Listeners',
      description: 'ARNs of listeners of load balancers (ALB, NLB) that are to serve the certificate.',
    }),
  listenerUse: z.enum(['sni', 'default']).default('sni').meta({
    title: 'Use by the listeners',
    description: 'sni: beside the other certificates of the listener. default: as the default certificate.',
  }),
  classicListeners: z
    .array(
      z
        .string()
        .regex(
          /^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}\/[A-Za-z0-9-]{1,32}:\d{1,5}$/,
          'must be region/name:port of a listener',
        ),
    )
    .max(50)
    .default([])
    .meta({
      title: 'Listeners of classic load balancers',
      description: 'TLS listeners of classic load balancers that are to serve the certificate, as region/name:port.',
      examples: [['eu-central-1/web:443']],
    }),
  distributions: z
    .array(z.string().regex(/^[0-9A-Z]{1,40}$/, 'must be the id of a distribution'))
    .max(50)
    .default([])
    .meta({
      title: 'CloudFront distributions',
      description: 'Ids of distributions that are to serve the certificate.',
      examples: [['E2QWRUHAPOMQZL']],
    }),
};

type ServingOptions = Options<z.ZodObject<typeof servingOptions>>;
/** What serves certificates, and how to ask it. */
export type Serving = ServingOptions & Omit<AwsAccess, 'region'>;

/** A certificate as AWS refers to it. CloudFront knows one of IAM by its id, `ASCA…`, alone. */
export interface ServedCertificate {
  arn: string;
  iamId?: string | undefined;
}

/** One place that serves certificates. Every method throws PluginError. */
interface Place extends Target {
  /** Makes it serve the certificate. Again, it changes nothing. */
  serve(certificate: ServedCertificate): Promise<void>;
  /** Whether it serves the certificate; `arriving` while it is about to. */
  tells(certificate: ServedCertificate): Promise<'same' | 'arriving' | 'different'>;
  /** Takes the certificate off, where the place can be without it. */
  release(certificate: ServedCertificate): Promise<void>;
  /** Reads it. */
  check(): Promise<void>;
}

/** Makes every place serve the certificate, also after one has failed. Throws PluginError. */
export async function serveAt(o: Serving, certificate: ServedCertificate, ctx: PluginContext): Promise<void> {
  await atEvery(placesOf(o, ctx), ctx, (place) => place.serve(certificate));
}

/** Whether every place serves the certificate. Throws PluginError unless one is known that does not. */
export async function servedAt(o: Serving, certificate: ServedCertificate, ctx: PluginContext): Promise<Verdict> {
  const told: Record<'different' | 'arriving', string[]> = { different: [], arriving: [] };
  const failure = await failureAmong(placesOf(o, ctx), ctx, async (place) => {
    const state = await place.tells(certificate);
    if (state !== 'same') told[state].push(place.name);
  });
  const [different, arriving] = [told.different[0], told.arriving[0]];
  if (different !== undefined) return { state: 'different', detail: `${different} does not serve ${certificate.arn}.` };
  if (failure !== null) throw failure;
  return arriving === undefined
    ? { state: 'same' }
    : { state: 'arriving', detail: `${arriving} is about to serve ${certificate.arn}.` };
}

/** Takes the certificate off the listeners that have others beside it. Throws PluginError. */
export async function releaseFrom(o: Serving, certificate: ServedCertificate, ctx: PluginContext): Promise<void> {
  await atEvery(placesOf(o, ctx), ctx, (place) => place.release(certificate));
}

/** Throws PluginError unless every place can be read. */
export async function checkPlaces(o: Serving, ctx: PluginContext): Promise<void> {
  await atEvery(placesOf(o, ctx), ctx, (place) => place.check());
}

/** True when the options name any place. */
export function isServing({ listeners, classicListeners, distributions }: ServingOptions): boolean {
  return listeners.length + classicListeners.length + distributions.length > 0;
}

/**
 * The places that serve one certificate alone, as a location; null when there are none. Certificates of different lines
 * cannot share it.
 */
export function exclusiveLocation({
  listeners,
  listenerUse,
  classicListeners,
  distributions,
}: ServingOptions): string | null {
  const defaults = listenerUse === 'default' ? listeners : [];
  return [...defaults, ...classicListeners, ...distributions].join(', ') || null;
}

function placesOf(o: Serving, ctx: PluginContext): Place[] {
  return [
    ...o.listeners.map((arn) => listenerPlace(arn, o, ctx)),
    ...o.classicListeners.map((name) => classicPlace(name, o, ctx)),
    ...o.distributions.map((id) => distributionPlace(id, o, ctx)),
  ];
}

function listenerPlace(arn: string, { listenerUse, ...o }: Serving, ctx: PluginContext): Place {
  const listeners = new Listeners({ ...o, region: arn.split(':')[3] ?? '' }, ctx);
  return {
    name: arn,
    serve: (certificate) => listeners.serve(arn, certificate.arn, listenerUse),
    tells: async (certificate) => {
      const found = (await listeners.certificatesOf(arn)).filter((one) => one.arn === certificate.arn);
      const isServed = listenerUse === 'default' ? found.some(({ isDefault }) => isDefault) : found.length > 0;
      return isServed ? 'same' : 'different';
    },
    release: (certificate) => listeners.release(arn, certificate.arn),
    check: async () => void (await listeners.certificatesOf(arn)),
  };
}

function classicPlace(name: string, o: Serving, ctx: PluginContext): Place {
  const [, region = '', balancer = '', port = ''] = /^(.+)\/(.+):(\d+)$/.exec(name) ?? [];
  const balancers = new ClassicLoadBalancers({ ...o, region }, ctx);
  const served = async (): Promise<string> => {
    const listener = (await balancers.listenersOf(balancer)).find((one) => one.port === Number(port));
    if (listener) return listener.certificateArn;
    throw new PluginError('misconfigured', `The load balancer ${balancer} has no TLS listener at port ${port}.`);
  };
  return {
    name,
    serve: async ({ arn }) => {
      if ((await served()) !== arn) await balancers.serve(balancer, Number(port), arn);
    },
    tells: async ({ arn }) => ((await served()) === arn ? 'same' : 'different'),
    release: async () => undefined,
    check: async () => void (await served()),
  };
}

function distributionPlace(id: string, o: Serving, ctx: PluginContext): Place {
  const distributions = new Distributions({ ...o, region: '' }, ctx);
  return {
    name: `The distribution ${id}`,
    serve: (certificate) => distributions.serve(id, certificate),
    tells: async (certificate) => {
      const { served, isDeployed } = await distributions.get(id);
      const isServed =
        certificate.iamId === undefined ? served.arn === certificate.arn : served.iamId === certificate.iamId;
      return isServed ? (isDeployed ? 'same' : 'arriving') : 'different';
    },
    release: async () => undefined,
    check: async () => void (await distributions.get(id)),
  };
}
