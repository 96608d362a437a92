import { Injectable } from '@nestjs/common';
import type { ParsedCertificate } from '../../pki/certificate.js';
import type { ParsedCrl } from '../../pki/crl-reader.js';
import { type CrlQuestion, type RevocationStatus, statusByCrl } from '../../pki/crl-status.js';
import { DerError } from '../../pki/der/reader.js';
import {
  ALL_REASONS,
  type DistributionPoint,
  distributionPoints,
  freshestPoints,
  httpUrls,
} from '../../pki/distribution-points.js';
import { serviceUrls } from '../../pki/extension-reader.js';
import { ExtensionOid } from '../../pki/extensions.js';
import { PkiError } from '../../pki/pki-error.js';
import { Clock } from '../../platform/clock.js';
import { RevocationSources } from './revocation-sources.js';

/** Who said so: the responder or CRL of the CA, this installation, or nobody. */
export const revocationSources = ['ocsp', 'crl', 'authority', 'none'] as const;
export type RevocationSource = (typeof revocationSources)[number];

/** Whether a certificate is revoked. `why` tells also which sources failed. */
export type RevocationFacts = RevocationStatus & { source: RevocationSource };

export interface RevocationAsk {
  certificate: ParsedCertificate;
  /** The certificate that signed `certificate`. */
  issuer: ParsedCertificate;
  /** CRLs that the caller has; they are looked at before any is fetched. */
  crls?: readonly ParsedCrl[];
}

/** A certificate from outside must not make us ask hundreds of hosts. */
const mostAddresses = 3;
const mostPoints = 8;
/** No further address is asked after this time. */
const longestMs = 15_000;

/** What failed so far, and when to ask no more (milliseconds since 1970). */
interface Trail {
  failures: string[];
  endsAt: number;
}

/** Asks the CA of a certificate whether it is revoked: OCSP first, then CRLs. */
@Injectable()
export class RevocationCheck {
  constructor(
    private readonly clock: Clock,
    private readonly sources: RevocationSources,
  ) {}

  /** `unknown`, and never `good`, when no source could be reached or believed. */
  async status(ask: RevocationAsk): Promise<RevocationFacts> {
    const { extensions, isCa } = ask.certificate;
    if (!isCa && extensions.some(({ oid }) => oid === ExtensionOid.noRevAvail))
      return { status: 'good', why: 'It is so short-lived that its CA never revokes it (RFC 9608)', source: 'none' };
    const trail: Trail = { failures: [], endsAt: this.clock.now().getTime() + longestMs };
    const byGiven = await this.byGivenCrls(ask);
    if (byGiven) return byGiven;
    const urls = serviceUrls(extensions);
    const responders = urls.ocsp.filter((url) => /^http:/i.test(url) && URL.canParse(url)).slice(0, mostAddresses);
    const byOcsp = await this.byOcsp(responders, ask, trail);
    if (byOcsp) return byOcsp;
    const byCrl = await this.byCrls(ask, trail);
    if (byCrl) return byCrl;
    const nowhere = 'The certificate names neither an OCSP responder nor a CRL at an http address';
    return { status: 'unknown', why: trail.failures.length > 0 ? trail.failures.join('. ') : nowhere, source: 'none' };
  }

  /** A given CRL tells a revocation; good takes one that covers every reason. */
  private async byGivenCrls({ certificate, issuer, crls = [] }: RevocationAsk): Promise<RevocationFacts | null> {
    const points = [undefined, ...pointsOf(certificate)];
    for (const crl of crls) {
      for (const point of points) {
        const question = { certificate, issuer, at: this.clock.now(), ...(point && { point }) };
        const { reasons, ...facts } = await statusByCrl(crl, question);
        if (facts.status === 'revoked' || (facts.status === 'good' && reasons.length === ALL_REASONS.length))
          return { ...facts, source: 'crl' };
      }
    }
    return null;
  }

  private async byOcsp(
    urls: readonly string[],
    { certificate, issuer }: RevocationAsk,
    trail: Trail,
  ): Promise<RevocationFacts | null> {
    for (const url of urls) {
      if (this.isOver(trail)) break;
      const found = await this.sources.ocsp({ url, certificate, issuer });
      if ('value' in found) return { ...found.value, source: 'ocsp' };
      trail.failures.push(`OCSP: ${found.fault}`);
    }
    return null;
  }

  /** RFC 5280 §6.3.3: good once the CRLs together cover every reason. */
  private async byCrls(ask: RevocationAsk, trail: Trail): Promise<RevocationFacts | null> {
    const left = new Set(ALL_REASONS);
    let good: RevocationFacts | null = null;
    for (const point of pointsOf(ask.certificate).slice(0, mostPoints)) {
      const answer = await this.byPoint(point, ask, trail);
      if (answer?.facts.status === 'revoked') return answer.facts;
      for (const reason of answer?.reasons ?? []) left.delete(reason);
      good ??= answer?.facts ?? null;
      if (left.size === 0) return good;
    }
    if (good) trail.failures.push('CRL: the CRLs do not cover every reason of revocation');
    return null;
  }

  private async byPoint(point: DistributionPoint, ask: RevocationAsk, trail: Trail) {
    const question: CrlQuestion = { ...ask, point, at: this.clock.now() };
    for (const url of httpUrls(point.names).slice(0, mostAddresses)) {
      if (this.isOver(trail)) break;
      const found = await this.sources.crl(url);
      if ('fault' in found) {
        trail.failures.push(`CRL: ${found.fault}`);
        continue;
      }
      const delta = await this.deltaOf(found.value, question);
      const { reasons, ...facts } = await statusByCrl(found.value, question, delta);
      if (facts.status !== 'unknown') return { facts: { ...facts, source: 'crl' as const }, reasons };
      trail.failures.push(`CRL: ${facts.why}`);
    }
    return null;
  }

  private isOver({ endsAt, failures }: Trail): boolean {
    if (this.clock.now().getTime() < endsAt) return false;
    failures.push('There was no time to ask further addresses');
    return true;
  }

  /** Without a usable delta CRL the complete one still counts. */
  private async deltaOf(crl: ParsedCrl, { certificate }: CrlQuestion): Promise<ParsedCrl | undefined> {
    const points = orNone(() => [...freshestPoints(certificate.extensions), ...freshestPoints(crl.extensions)]);
    const [url] = points.flatMap(({ names }) => httpUrls(names));
    const found = url === undefined ? undefined : await this.sources.crl(url);
    return found && 'value' in found ? found.value : undefined;
  }
}

function pointsOf({ extensions }: ParsedCertificate): DistributionPoint[] {
  return orNone(() => distributionPoints(extensions));
}

function orNone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError || error instanceof PkiError) return [];
    throw error;
  }
}

/** The host that the first question about this certificate goes to; null when nobody can be asked. */
export function revocationHostOf({ extensions }: ParsedCertificate): string | null {
  const { ocsp } = serviceUrls(extensions);
  const crls = orNone(() => distributionPoints(extensions)).flatMap(({ names }) => httpUrls(names));
  const url = [...ocsp.filter((one) => /^http:/i.test(one)), ...crls].find((one) => URL.canParse(one));
  return url === undefined ? null : new URL(url).host;
}
