import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ParsedCertificate } from '../../pki/certificate.js';
import { certificatesIn } from '../../pki/issued-chain.js';
import { type ParsedCrl, parseCrl } from '../../pki/crl-reader.js';
import { type OcspAnswer, type OcspQuestion, ocspRequest, statusByOcsp } from '../../pki/ocsp-client.js';
import { PkiError } from '../../pki/pki-error.js';
import { PluginError } from '../../plugin-api/errors.js';
import { Clock } from '../../platform/clock.js';
import { GuardedAgents } from '../../platform/net/guarded-agent.js';
import { guardedFetch } from '../../platform/net/guarded-fetch.js';
import { ExpiringCache } from './expiring-cache.js';

const mebibyte = 1024 * 1024;
const largestCrl = 64 * mebibyte;
const mostIssuers = 10;
const largestAnswer = 64 * 1024;
/** An answer is asked again after this time although it would hold longer. */
const longestKeptMs = 3_600_000;
/** A host that failed is left alone for so long: everybody who asks would wait for it. */
const failureKeptMs = 60_000;

/** A CRL or an answer, or why there is none. */
type Found<T> = { value: T } | { fault: string };

interface Loaded<T> {
  found: Found<T>;
  size: number;
  until: number;
}

/** What a responder is asked. */
export type OcspAsk = Pick<OcspQuestion, 'certificate' | 'issuer'> & { url: string };

/**
 * Fetches CRLs and OCSP answers from addresses in certificates, over the guarded way out. Keeps them until they are out
 * of date, and at most an hour; requests for the same thing at the same time share one.
 */
@Injectable()
export class RevocationSources {
  private readonly crls = new ExpiringCache<Found<ParsedCrl>>({ entries: 1000, size: 128 * mebibyte });
  private readonly answers = new ExpiringCache<Found<OcspAnswer>>({ entries: 20_000, size: 20_000 });
  private readonly certificates = new ExpiringCache<Found<readonly ParsedCertificate[]>>({ entries: 500, size: 500 });
  private readonly underWay = new Map<string, Promise<Found<unknown>>>();

  constructor(
    private readonly clock: Clock,
    private readonly agents: GuardedAgents,
  ) {}

  /** The CRL at an http address. Its signature is not checked here. */
  crl(url: string): Promise<Found<ParsedCrl>> {
    return this.shared(this.crls, `crl ${url}`, async () => {
      const { status, body } = await guardedFetch(this.agents, url, {
        maxBytes: largestCrl,
        timeoutMs: 10_000,
      });
      if (status !== 200) return this.failed(`${hostOf(url)} answers with status ${status}`);
      const crl = parseCrl(body);
      return this.loaded({ value: crl }, body.length, crl.nextUpdate);
    });
  }

  /** The CA certificates at an http address, in whichever form (RFC 5280 §4.2.2.1). */
  issuers(url: string): Promise<Found<readonly ParsedCertificate[]>> {
    return this.shared(this.certificates, `issuers ${url}`, async () => {
      const { status, body } = await guardedFetch(this.agents, url, { maxBytes: largestAnswer, timeoutMs: 5_000 });
      if (status !== 200) return this.failed(`${hostOf(url)} answers with status ${status}`);
      return this.loaded({ value: certificatesIn(body).slice(0, mostIssuers) }, 1, undefined);
    });
  }

  /** What the responder at an http address says of a certificate, checked. */
  ocsp({ url, certificate, issuer }: OcspAsk): Promise<Found<OcspAnswer>> {
    const key = `ocsp ${url} ${certificate.fingerprintSha256} ${issuer.fingerprintSha256}`;
    return this.shared(this.answers, key, async () => {
      const question = { certificate, issuer, at: this.clock.now(), nonce: randomBytes(32) };
      const { status, body } = await guardedFetch(this.agents, url, {
        method: 'POST',
        headers: { 'content-type': 'application/ocsp-request', accept: 'application/ocsp-response' },
        body: ocspRequest(question),
        maxBytes: largestAnswer,
        timeoutMs: 5_000,
      });
      if (status !== 200) return this.failed(`${hostOf(url)} answers with status ${status}`);
      const answer = await statusByOcsp(body, question);
      if (answer.status === 'unknown') return this.failed(answer.why);
      return this.loaded({ value: answer }, 1, answer.until);
    });
  }

  private async shared<T>(
    cache: ExpiringCache<Found<T>>,
    key: string,
    load: () => Promise<Loaded<T>>,
  ): Promise<Found<T>> {
    const kept = cache.get(key, this.clock.now().getTime());
    if (kept) return kept;
    const begun = this.underWay.get(key) as Promise<Found<T>> | undefined;
    if (begun) return begun;
    const work = this.orFault(load).then(({ found, size, until }) => {
      cache.set(key, found, { size, until });
      return found;
    });
    this.underWay.set(key, work);
    return work.finally(() => this.underWay.delete(key));
  }

  private async orFault<T>(load: () => Promise<Loaded<T>>): Promise<Loaded<T>> {
    try {
      return await load();
    } catch (error) {
      if (error instanceof PkiError) return this.failed(error.message);
      if (error instanceof PluginError) return this.failed(error.detail);
      throw error;
    }
  }

  private loaded<T>(found: Found<T>, size: number, end: Date | undefined): Loaded<T> {
    const longest = this.clock.now().getTime() + longestKeptMs;
    return { found, size, until: Math.min(longest, end?.getTime() ?? longest) };
  }

  private failed(fault: string): Loaded<never> {
    return { found: { fault }, size: 1, until: this.clock.now().getTime() + failureKeptMs };
  }
}

function hostOf(url: string): string {
  return new URL(url).host;
}
