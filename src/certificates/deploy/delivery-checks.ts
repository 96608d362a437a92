import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Destinations, type ReadyDestination } from '../../destinations/destinations.js';
import type { PlacedRequest } from '../../plugin-api/destination.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Bundle } from '../../plugin-api/export.js';
import { type Probe, type Served, ServedCertificates } from '../../platform/net/served-certificate.js';
import type { Finding } from './verification.js';

const match: Finding = { outcome: 'match', detail: null };

/**
 * Checks whether a delivered certificate is in use: what is at the place, where the plugin can read it back, and what
 * servers serve, where the destination names addresses. Nothing is taken from memory.
 */
@Injectable()
export class DeliveryChecks {
  constructor(
    private readonly destinations: Destinations,
    private readonly served: ServedCertificates,
  ) {}

  /** Throws what ends `signal`. */
  async check(target: ReadyDestination, placed: PlacedRequest, signal: AbortSignal): Promise<Finding> {
    try {
      const verdict = await this.destinations.verify(target, placed, signal);
      if (verdict?.state === 'missing') return { outcome: 'differs', detail: `Nothing is at ${placed.location} now.` };
      if (verdict?.state === 'different') return { outcome: 'differs', detail: verdict.detail };
      if (verdict?.state === 'arriving') return { outcome: 'arriving', detail: verdict.detail };
      const { verifyAt } = target.destination;
      if (verifyAt.length > 0) return await this.atServers(target, placed.bundle, signal);
      if (verdict) return match;
      const detail = `${target.plugin.title} does not tell what it holds, and the destination has no address to ask.`;
      return { outcome: 'not-verifiable', detail };
    } catch (error) {
      return failed(error, signal);
    }
  }

  private async atServers(
    { destination: { verifyAt, verifyName } }: ReadyDestination,
    { chainPem }: Bundle,
    signal: AbortSignal,
  ): Promise<Finding> {
    const wanted = chainPem.map((pem) => new X509Certificate(pem));
    const [leaf] = wanted;
    if (!leaf) return { outcome: 'not-verifiable', detail: 'It has no certificate.' };
    const asked = askedOf(leaf, verifyName);
    if ('detail' in asked) return { outcome: 'not-verifiable', detail: asked.detail };
    const { name, servername } = asked;
    const keyType = keyTypeOf(leaf);
    const found = await Promise.all(
      verifyAt.map((address) => this.atServer({ ...targetOf(address, name), servername, keyType }, wanted, signal)),
    );
    return worstOf(found.flat());
  }

  private async atServer(probe: Probe, wanted: readonly X509Certificate[], signal: AbortSignal): Promise<Finding[]> {
    try {
      return (await this.served.at(probe, signal)).map((one) => judge(one, wanted, probe));
    } catch (error) {
      return [failed(error, signal)];
    }
  }
}

/** What follows from an error of the place or of a server. Throws other errors, and what ends `signal`. */
function failed(error: unknown, signal: AbortSignal): Finding {
  signal.throwIfAborted();
  if (!(error instanceof PluginError)) throw error;
  // A place that may not be asked says nothing against the certificate.
  return { outcome: error.fault === 'misconfigured' ? 'denied' : 'unknown', detail: error.detail };
}

/** What is known for certain comes first: one server that is down hides nothing that another one serves. */
function worstOf(findings: readonly Finding[]): Finding {
  const worst = (['differs', 'unknown', 'denied'] as const).map((bad) =>
    findings.find(({ outcome }) => outcome === bad),
  );
  return worst.find((finding) => finding !== undefined) ?? match;
}

/** Whom a server is asked for. `servername` is null for an IP address, which is no name (SNI, RFC 6066 §3). */
interface Asked {
  name: string;
  servername: string | null;
}

/**
 * Whom to ask a server for: the name `configured` where the certificate is for it, else the first of its names that is
 * no wildcard, else the first of its IP addresses if it has no names. `detail`: why there is nothing to ask for.
 */
export function askedOf(leaf: X509Certificate, configured: string | null): Asked | { detail: string } {
  const asked = (name: string): Asked => ({ name, servername: isIP(name) === 0 ? name : null });
  if (configured !== null && leaf.checkHost(configured) !== undefined) return asked(configured);
  const names = namesOf(leaf, 'DNS');
  const name = names.find((one) => !one.startsWith('*'));
  if (name !== undefined) return asked(name);
  if (names.length > 0)
    return { detail: 'Its names are all wildcards: set `verifyName` to a name of it that a server serves.' };
  const [address] = namesOf(leaf, 'IP Address');
  return address === undefined
    ? { detail: 'It has no DNS name and no IP address that a server could be asked for.' }
    : asked(address);
}

/** The subject alternative names of a kind, as Node writes it. */
function namesOf({ subjectAltName = '' }: X509Certificate, kind: 'DNS' | 'IP Address'): string[] {
  return [...subjectAltName.matchAll(/(?:^|, )(DNS|IP Address):([^,"]+)/g)]
    .filter(([, found]) => found === kind)
    .map(([, , name = '']) => name);
}

/** `host:port` or `[address]:port`; `{name}` stands for the name, or IP address, that is asked for. */
function targetOf(address: string, name: string): Pick<Probe, 'host' | 'port'> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace('{name}', name);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}

function keyTypeOf(leaf: X509Certificate): Probe['keyType'] {
  const type = leaf.publicKey.asymmetricKeyType;
  return type === 'rsa' || type === 'ec' ? type : 'other';
}

/** Compares leaf and chain. The chain that is served must have every issuer that was delivered, except a root. */
function judge(served: Served, [leaf, ...issuers]: readonly X509Certificate[], probe: Probe): Finding {
  const place = `${served.address}, port ${probe.port}`;
  const at = probe.servername === null ? place : `${probe.servername} at ${place}`;
  if ('fault' in served) return { outcome: 'unknown', detail: served.fault };
  const [first] = served.chain;
  if (first?.fingerprint256 !== leaf?.fingerprint256)
    return {
      outcome: 'differs',
      detail: `${at}: the certificate with serial number ${first?.serialNumber.toLowerCase()} is served.`,
    };
  const shown = new Set(served.chain.map(({ fingerprint256 }) => fingerprint256));
  const missing = issuers.find((issuer) => issuer.subject !== issuer.issuer && !shown.has(issuer.fingerprint256));
  if (!missing) return match;
  return { outcome: 'differs', detail: `${at}: the chain lacks ${missing.subject.replaceAll('\n', ', ')}.` };
}
