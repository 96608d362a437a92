import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
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
import {
  type Handshake,
  HandshakeFailure,
  type KeyKind,
  type Offer,
  shakeHands,
  type Target,
  textOf,
} from './tls-endpoints.client.js';

const hostAndPort =
  /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?))(?::(\d{1,5}))?$/;

const options = z.strictObject({
  hosts: z
    .array(
      z
        .string()
        .max(300)
        .refine((text) => targetOf(text, 443) !== null, 'must be host, host:port or [IPv6]:port'),
    )
    .min(1)
    .max(1000)
    .meta({
      title: 'Hosts',
      description: 'Servers to scan: host or host:port, an IPv6 address in brackets. Networks are not accepted.',
      examples: [['www.example.com', 'mail.example.com:465']],
    }),
  port: z.int().min(1).max(65_535).default(443).meta({ title: 'Port', description: 'Port of hosts without one.' }),
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
const atATime = 16;
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
    'Connects to a list of servers and records the certificates that they serve and the ' +
    'versions and ciphers that they accept. Where a server has an RSA and an ECDSA certificate, it records both. ' +
    'Makes TLS handshakes only.',
  options,

  async check(o, ctx) {
    const looks = await inGroups(targetsOf(o), (target) => handshakeOrDetail(target, o, ctx));
    const silent = looks.filter((look) => typeof look === 'string');
    if (silent.length > 0)
      throw new PluginError(
        'unavailable',
        `${silent.length} of ${looks.length} servers cannot be scanned: ${silent.slice(0, 5).join(' ')}`,
      );
  },

  async *scan(o, ctx) {
    ctx.signal.throwIfAborted();
    const targets = targetsOf(o);
    for (let at = 0; at < targets.length; at += atATime) {
      yield* (await Promise.all(targets.slice(at, at + atATime).map((target) => look(target, o, ctx)))).flat();
      ctx.signal.throwIfAborted();
    }
  },
});

/** The server with its preferred certificate, and with its certificate for the other key type, if any. */
async function look(target: Target, o: TlsOptions, ctx: PluginContext): Promise<Found[]> {
  const seen = await handshakeOrDetail(target, o, ctx);
  if (typeof seen === 'string') return [{ kind: 'trouble', location: textOf(target), detail: seen }];
  const [accepted, other] = await Promise.all([
    o.probeVersions ? acceptedVersions(target, seen.protocol, o, ctx) : [seen.protocol ?? []].flat(),
    otherCertificate(target, seen, o, ctx),
  ]);
  return [
    endpointOf(target, textOf(target), seen, accepted),
    ...(other ? [endpointOf(target, `${textOf(target)} (${other.kind})`, other.seen, accepted)] : []),
  ];
}

function endpointOf(target: Target, name: string, seen: Handshake, accepted: readonly string[]): FoundEndpoint {
  const { cipher } = seen;
  return {
    kind: 'endpoint',
    externalId: name,
    name,
    dnsName: target.host,
    port: target.port,
    type: 'tls',
    aliases: aliasesOf(seen.chainPem, target.host),
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
  { chainPem: [leafPem = ''], protocol }: Handshake,
  o: TlsOptions,
  ctx: PluginContext,
): Promise<{ kind: KeyKind; seen: Handshake } | null> {
  const kind = isRsa(leafPem) ? 'ECDSA' : 'RSA';
  // A server may choose differently in TLS 1.3 and in older versions: stay in the range of the first handshake.
  const range = offers.find(({ max }) => max === protocol) ?? { min: 'TLSv1', max: 'TLSv1.3' };
  try {
    const seen = await shakeHands(target, { ...range, only: kind }, ctx, within(o, ctx));
    return seen.chainPem[0] === leafPem || isRsa(seen.chainPem[0] ?? '') !== (kind === 'RSA') ? null : { kind, seen };
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (error instanceof PluginError) return null;
    throw error;
  }
}

function isRsa(pem: string): boolean {
  try {
    return new X509Certificate(pem).publicKey.asymmetricKeyType?.startsWith('rsa') ?? false;
  } catch {
    return false;
  }
}

/** The handshake, or the reason why there was none. */
async function handshakeOrDetail(target: Target, o: TlsOptions, ctx: PluginContext): Promise<Handshake | string> {
  const signal = within(o, ctx);
  let detail = '';
  for (const offer of offers) {
    try {
      return await shakeHands(target, offer, ctx, signal);
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (!(error instanceof PluginError)) throw error;
      detail ||= error.detail;
      // Only a server that responded can respond differently to a lower offer.
      if (signal.aborted || !(error instanceof HandshakeFailure)) break;
    }
  }
  return detail;
}

/** In order, including `known`. A failed handshake counts as not accepted. */
async function acceptedVersions(
  target: Target,
  known: string | null,
  o: TlsOptions,
  ctx: PluginContext,
): Promise<string[]> {
  const accepted = await Promise.all(
    versions.map(
      async (version) =>
        version === known ||
        (await shakeHands(target, { min: version, max: version }, ctx, within(o, ctx)).then(
          () => true,
          () => false,
        )),
    ),
  );
  return versions.filter((_, at) => accepted[at]);
}

function within({ timeout }: TlsOptions, { signal }: PluginContext): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]);
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

function targetsOf({ hosts, port }: TlsOptions): Target[] {
  const targets = hosts.flatMap((text) => targetOf(text, port) ?? []);
  return [...new Map(targets.map((target) => [textOf(target), target])).values()];
}

function targetOf(text: string, defaultPort: number): Target | null {
  const [, ipv6, name, port] = hostAndPort.exec(text) ?? [];
  const host = (ipv6 ?? name ?? '').toLowerCase();
  const number = port === undefined ? defaultPort : Number(port);
  if (host === '' || (ipv6 !== undefined && isIP(ipv6) !== 6) || number < 1 || number > 65_535) return null;
  return { host, port: number };
}

async function inGroups<In, Out>(all: readonly In[], work: (one: In) => Promise<Out>): Promise<Out[]> {
  const done: Out[] = [];
  for (let at = 0; at < all.length; at += atATime)
    done.push(...(await Promise.all(all.slice(at, at + atATime).map(work))));
  return done;
}
