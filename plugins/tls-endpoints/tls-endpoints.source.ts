import type { SecureVersion } from 'node:tls';
import { z } from 'zod';
import { parseCertificate } from '../../src/pki/certificate.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import {
  defineSource,
  type EndpointCipher,
  type Found,
  type FoundEndpoint,
  pollRateOption,
} from '../../src/plugin-api/source.js';
import { inParallel, Pace } from './pace.js';
import { startTlsProtocols } from './start-tls.js';
import { targetTable } from './target-table.js';
import { demandBounds, entryFault, isEntry, isExclusion, type Target, targetsOf, textOf } from './targets.js';
import {
  type Handshake,
  HandshakeFailure,
  isAccepted,
  type KeyKind,
  type Offer,
  type Scan,
  shakeHands,
} from './tls-endpoints.client.js';

const options = z.strictObject({
  hosts: z
    .array(
      z
        .string()
        .max(300)
        .refine(isEntry, { error: ({ input }) => entryFault(String(input)) }),
    )
    .min(1)
    .max(1000)
    .meta({
      title: 'Hosts',
      description:
        'Servers to scan: a host name, an IP address (IPv6 in brackets) or a network in CIDR notation of at most ' +
        '65,536 addresses, each with a port if wanted. A name and @ before it is asked for (SNI) in place of the ' +
        `host. ${startTlsProtocols.join('://, ')}:// before it means STARTTLS, which is also assumed at their usual ` +
        'ports; tls:// means TLS at once.',
      examples: [['www.example.com', '10.1.2.0/24', 'shop.example.com@192.0.2.7:8443', 'smtp://mail.example.com']],
    }),
  exclude: z
    .array(z.string().max(300).refine(isExclusion, 'must be a host name, an IP address or a network'))
    .max(1000)
    .default([])
    .meta({ title: 'Exclude', description: 'Host names, addresses and networks that are never connected to.' }),
  port: z.int().min(1).max(65_535).default(443).meta({ title: 'Port', description: 'Port of hosts without one.' }),
  ports: z
    .array(z.int().min(1).max(65_535))
    .max(100)
    .default([])
    .meta({ title: 'Further ports', description: 'More ports of hosts without one.' }),
  largeScan: z.boolean().default(false).meta({
    title: 'Large scan',
    description:
      'Confirms that more than 4,096 servers are to be scanned, up to 131,072. Every host, address and port counts.',
  }),
  atOnce: z.int().min(1).max(512).default(32).meta({
    title: 'Connections at once',
    description: 'Servers that are scanned at the same time.',
  }),
  perSecond: z
    .int()
    .min(1)
    .max(5000)
    .default(200)
    .meta({
      title: 'Connections per second',
      description:
        'At most so many connections begin in a second. One server takes two, or five with `probeVersions`, and one ' +
        'more when it has two certificates.',
    }),
  timeout: z
    .int()
    .min(1)
    .max(60)
    .default(10)
    .meta({ title: 'Timeout', description: 'Maximum duration of one handshake in seconds.' }),
  probeVersions: z
    .boolean()
    .default(true)
    .meta({
      title: 'Probe versions',
      description:
        'Tries every TLS version from 1.0 to 1.3, to find servers that still accept ' +
        'old ones. Takes three more connections per host.',
    }),
  pollRate: pollRateOption,
});

type TlsOptions = Options<typeof options>;

const versions: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
/** Withdrawn by RFC 8996. */
const withdrawn: ReadonlySet<string> = new Set(['TLSv1', 'TLSv1.1']);
/** Broken, export-grade, anonymous, or without integrity. */
const weakCipher = /RC4|DES|NULL|EXP|ADH|AECDH|MD5|IDEA|SEED/;
/** A server that aborts at an unknown version gets a lower offer. */
const offers: readonly Offer[] = [
  { min: 'TLSv1', max: 'TLSv1.3' },
  { min: 'TLSv1', max: 'TLSv1.2' },
  { min: 'TLSv1', max: 'TLSv1' },
];
const mostAliases = 100;

/** Connects to TLS servers and records what they serve. */
export const tlsEndpoints = defineSource({
  id: 'tls-endpoints',
  title: 'TLS servers',
  description:
    'Connects to servers and networks and records the certificates that they serve and the versions and ciphers ' +
    'that they accept, also after STARTTLS. Where a server has an RSA and an ECDSA certificate, it records both. ' +
    'Makes TLS handshakes only.',
  options,
  targets: targetTable,

  async admit(o) {
    demandBounds(o);
  },

  async check(o, ctx) {
    const scan = scanOf(o, ctx);
    const listed = [...targetsOf(o)].filter(({ network }) => network === undefined);
    const silent: string[] = [];
    for await (const seen of inParallel(listed, o.atOnce, (target) => handshakeOrFailure(target, scan)))
      if (seen instanceof PluginError) silent.push(seen.detail);
    if (silent.length > 0)
      throw new PluginError(
        'unavailable',
        `${silent.length} of ${listed.length} servers cannot be scanned: ${silent.slice(0, 5).join(' ')}`,
      );
  },

  async *scan(o, ctx) {
    ctx.signal.throwIfAborted();
    const scan = scanOf(o, ctx);
    const closedNetworks = new Set<string>();
    for await (const found of inParallel(targetsOf(o), o.atOnce, (target) => look(target, o, scan, closedNetworks))) {
      ctx.signal.throwIfAborted();
      yield* found;
    }
  },
});

function scanOf({ perSecond, timeout }: TlsOptions, ctx: PluginContext): Scan {
  return { ctx, pace: new Pace(perSecond), timeoutMs: timeout * 1000 };
}

/** The server with its preferred certificate, and with its certificate for the other key type, if any. */
async function look(target: Target, o: TlsOptions, scan: Scan, closedNetworks: Set<string>): Promise<Found[]> {
  if (target.network !== undefined && closedNetworks.has(target.network)) return [];
  const seen = await handshakeOrFailure(target, scan);
  if (seen instanceof PluginError) return troubles(target, seen, closedNetworks);
  const [accepted, other] = await Promise.all([
    o.probeVersions ? acceptedVersions(target, seen.protocol, scan) : [seen.protocol ?? []].flat(),
    otherCertificate(target, seen, scan),
  ]);
  return [
    endpointOf(target, textOf(target), seen, accepted),
    ...(other ? [endpointOf(target, `${textOf(target)} (${other.kind})`, other.seen, accepted)] : []),
  ];
}

/**
 * Most addresses of a network have no server, so that one that cannot be reached is no trouble. A network that this
 * installation closes is one trouble, and its other addresses are left out.
 */
function troubles(target: Target, failure: PluginError, closedNetworks: Set<string>): Found[] {
  const { network } = target;
  // What this installation forbids was not asked.
  const unanswered = failure.fault !== 'misconfigured';
  const trouble: Found = { kind: 'trouble', location: textOf(target), detail: failure.detail, unanswered };
  if (network === undefined || failure instanceof HandshakeFailure) return [trouble];
  if (failure.fault !== 'misconfigured' || closedNetworks.has(network)) return [];
  closedNetworks.add(network);
  return [{ ...trouble, detail: `The network ${network} is not scanned: ${failure.detail}` }];
}

function endpointOf(target: Target, name: string, seen: Handshake, accepted: readonly string[]): FoundEndpoint {
  const { cipher } = seen;
  return {
    kind: 'endpoint',
    externalId: name,
    name,
    dnsName: target.serverName ?? target.host,
    port: target.port,
    type: target.protocol,
    aliases: aliasesOf(seen.chainPem, target.serverName ?? target.host),
    chainPem: seen.chainPem,
    protocol: seen.protocol,
    cipher: seen.cipher,
    policy: {
      name: 'observed',
      ciphers: [
        ...accepted.map(versionFact),
        ...(cipher === null ? [] : [{ name: cipher, deprecated: weakCipher.test(cipher) }]),
      ],
    },
  };
}

/** The server's certificate for the other key type; null when there is none. */
async function otherCertificate(
  target: Target,
  { chainPem: [leafPem], protocol, keyKind }: Handshake,
  scan: Scan,
): Promise<{ kind: KeyKind; seen: Handshake } | null> {
  const kind = keyKind === 'RSA' ? 'ECDSA' : 'RSA';
  // A server may choose differently in TLS 1.3 and in older versions: stay in the range of the first handshake.
  const range = offers.find(({ max }) => max === protocol) ?? { min: 'TLSv1', max: 'TLSv1.3' };
  try {
    const offer: Offer = { ...range, only: kind };
    if (!(await isAccepted(target, offer, scan))) return null;
    const seen = await shakeHands(target, offer, scan);
    return seen.chainPem[0] === leafPem || seen.keyKind !== kind ? null : { kind, seen };
  } catch (error) {
    scan.ctx.signal.throwIfAborted();
    if (error instanceof PluginError) return null;
    throw error;
  }
}

/** The handshake, or the first failure. */
async function handshakeOrFailure(target: Target, scan: Scan): Promise<Handshake | PluginError> {
  let first: PluginError | undefined;
  for (const offer of offers) {
    try {
      return await shakeHands(target, offer, scan);
    } catch (error) {
      scan.ctx.signal.throwIfAborted();
      if (!(error instanceof PluginError)) throw error;
      first ??= error;
      // Only a server that responded can respond differently to a lower offer.
      if (!(error instanceof HandshakeFailure) || error.isFinal) break;
    }
  }
  return first as PluginError;
}

/** In order, including `known`. A version at which the connection fails counts as not accepted. */
async function acceptedVersions(target: Target, known: string | null, scan: Scan): Promise<string[]> {
  const accepted = await Promise.all(
    versions.map(
      async (version) =>
        version === known || (await isAccepted(target, { min: version, max: version }, scan).catch(() => false)),
    ),
  );
  return versions.filter((_, at) => accepted[at]);
}

function versionFact(version: string): EndpointCipher {
  return { name: `Protocol-${version}`, deprecated: withdrawn.has(version) };
}

/** The other host names in the served certificate. */
function aliasesOf([leafPem = '']: readonly string[], host: string): string[] {
  try {
    const names = parseCertificate(leafPem)
      .subjectAltNames.filter(({ type }) => type === 'dns')
      .map(({ value }) => value);
    return [...new Set(names)].filter((name) => name !== host).slice(0, mostAliases);
  } catch {
    return [];
  }
}
