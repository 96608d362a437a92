import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Found, FoundEndpoint } from '../../src/plugin-api/source.js';
import type { SourcePart } from '../../src/plugin-api/source-parts.js';
import type { AcmCertificates, ListedAcm } from './acm.client.js';
import type { AwsAccess } from './aws-credentials.js';
import type { Distributions } from './cloudfront.client.js';
import { Listeners } from './elb.client.js';
import type { HeldCertificates } from './held-certificates.js';
import { ClassicLoadBalancers, type LoadBalancer, LoadBalancers, type TlsListener } from './load-balancers.client.js';

const httpsPort = 443;
const old = /^Protocol-(?:SSL|TLSv1(?:\.1)?$)|RC4|DES-CBC|NULL|EXP-|MD5/;

/** What of a service names the certificate that it serves. */
type Served = Pick<FoundEndpoint, 'externalId' | 'port' | 'name' | 'dnsName' | 'type'> & Partial<FoundEndpoint>;

/** The certificates of a region, and what uses them; `usersExcept` as in FoundTrouble. */
export async function* acmFinds(
  acm: AcmCertificates,
  reading: { usersExcept: readonly string[]; held: HeldCertificates },
  ctx: PluginContext,
): AsyncGenerator<Found> {
  const { usersExcept } = reading;
  for await (const listed of acm.list())
    yield* one({ location: listed.arn, usersExcept }, () => acmFind(acm, listed, reading), ctx);
}

async function acmFind(
  acm: AcmCertificates,
  { arn, domainName, isInUse }: ListedAcm,
  { usersExcept, held }: { usersExcept: readonly string[]; held: HeldCertificates },
): Promise<Found[]> {
  const chainPem = await held.chainOf(arn);
  // Deleted since the listing.
  if (chainPem.length === 0) return [];
  const users = isInUse ? await acm.usersOf(arn) : [];
  const others = users.filter((user) => !usersExcept.some((start) => user.startsWith(start)));
  return [
    { kind: 'certificate', location: arn, externalId: arn, chainPem },
    ...others.map((user) => {
      const served = { port: httpsPort, name: user, dnsName: domainName, type: user.split(':')[2] ?? '' };
      return endpoint({ externalId: `${user} ${arn}`, ...served, chainPem });
    }),
  ];
}

/** The TLS listeners of application and network load balancers, once for each certificate. */
export async function* listenerFinds(
  access: AwsAccess,
  held: HeldCertificates,
  ctx: PluginContext,
): AsyncGenerator<Found> {
  const [balancers, listeners] = [new LoadBalancers(access, ctx), new Listeners(access, ctx)];
  const policies = new Map<string, Promise<FoundEndpoint['policy']>>();
  const policyOf = (name: string): Promise<FoundEndpoint['policy']> => {
    const known = policies.get(name) ?? balancers.acceptedBy(name).then((accepted) => policy(name, accepted));
    policies.set(name, known);
    return known;
  };
  const findsOf = async (balancer: LoadBalancer, { arn, port, policy: name }: TlsListener): Promise<Found[]> => {
    const certificates = await listeners.certificatesOf(arn);
    const first = certificates.find(({ isDefault }) => isDefault);
    const others = certificates.filter((another) => another.arn !== first?.arn);
    const found: Found[] = [];
    for (const { arn: certificate } of first ? [first, ...others] : others)
      found.push(
        endpoint({
          // The default certificate is that of the listener, whichever it is.
          externalId: certificate === first?.arn ? arn : `${arn} ${certificate}`,
          port,
          name: balancer.name,
          dnsName: balancer.dnsName,
          type: 'elbv2',
          chainPem: await held.chainOf(certificate),
          policy: await policyOf(name),
        }),
      );
    return found;
  };
  for await (const balancer of balancers.list())
    yield* one(
      { location: `${balancer.id.replace(':loadbalancer/', ':listener/')}/` },
      async () => {
        const found: Found[] = [];
        for (const listener of await balancers.listenersOf(balancer.id))
          found.push(...(await findsOf(balancer, listener)));
        return found;
      },
      ctx,
    );
}

/** The TLS listeners of classic load balancers. */
export async function* classicFinds(
  access: AwsAccess,
  held: HeldCertificates,
  ctx: PluginContext,
): AsyncGenerator<Found> {
  const balancers = new ClassicLoadBalancers(access, ctx);
  for await (const { name, dnsName, listeners } of balancers.list())
    for (const {
      port,
      certificateArn,
      policies: [first = ''],
    } of listeners)
      yield* one(
        { location: `${access.region}/${name}` },
        async () => {
          const accepted = first === '' ? [] : await balancers.acceptedBy(name, first);
          const chainPem = await held.chainOf(certificateArn);
          const externalId = `${access.region}/${name}`;
          return [
            endpoint({ externalId, port, name, dnsName, type: 'elb', chainPem, policy: policy(first, accepted) }),
          ];
        },
        ctx,
      );
}

/** The distributions with a certificate of their own. */
export async function* distributionFinds(
  distributions: Distributions,
  held: HeldCertificates,
  ctx: PluginContext,
): AsyncGenerator<Found> {
  for await (const { id, arn, dnsName, aliases, certificateArn, iamId = '', policy: name } of distributions.list())
    yield* one(
      { location: arn },
      async () => {
        const certificate = certificateArn ?? (await held.arnOfId(iamId));
        const chainPem = certificate === undefined ? [] : await held.chainOf(certificate);
        const served = { externalId: arn, port: httpsPort, name: id, dnsName, type: 'cloudfront', aliases, chainPem };
        return [endpoint({ ...served, policy: policy(name, []) })];
      },
      ctx,
    );
}

function endpoint(served: Served): FoundEndpoint {
  const unseen = { aliases: [], chainPem: [], protocol: null, cipher: null, policy: policy('', []) };
  return { kind: 'endpoint', ...unseen, ...served };
}

function policy(name: string, accepted: readonly string[]): FoundEndpoint['policy'] {
  return { name, ciphers: accepted.map((cipher) => ({ name: cipher, deprecated: old.test(cipher) })) };
}

/** One item of a list. A right may be missing for it alone; if the service is unavailable, the rest is unknown too. */
async function* one(
  item: Omit<SourcePart, 'finds'>,
  finds: () => Promise<Found[]>,
  ctx: PluginContext,
): AsyncGenerator<Found> {
  try {
    yield* await finds();
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!(error instanceof PluginError) || error.fault === 'unavailable') throw error;
    yield { kind: 'trouble', ...item, detail: error.detail };
  }
}
