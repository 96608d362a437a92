import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { demandCleanOcsp } from '../../pki/lint/lint-ocsp.js';
import { type CertId, type OcspRequest, readOcspRequest } from '../../pki/ocsp-request.js';
import { type OcspStatus, ocspErrorResponse, type SingleResponse } from '../../pki/ocsp-response.js';
import { PkiError } from '../../pki/pki-error.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Problem } from '../../platform/http/problem.js';
import type { PublicFile } from '../public-file.js';
import { OcspFaults, SigningFault } from './ocsp-faults.js';
import { type OcspIssuer, OcspIssuers } from './ocsp-issuers.js';
import { OcspMetrics, type OcspResult } from './ocsp-metrics.js';
import { OcspResponders } from './ocsp-responders.js';
import { type IssuedStatus, OcspStatuses } from './ocsp-statuses.js';

/** An OCSPResponse in DER. `file`: as caches may keep it; null when they must not. */
export interface OcspAnswer {
  body: Buffer;
  file: PublicFile | null;
}

interface PreSigned {
  answer: OcspAnswer;
  publicId: string;
  /** From then on it is signed anew, so that clients always get one that is valid for a while. */
  untilMs: number;
  results: readonly OcspResult[];
}

const type = 'application/ocsp-response';
const unauthorized: OcspAnswer = { body: ocspErrorResponse('unauthorized'), file: null };
/** About 20 MB of responses with a P-256 responder. */
const mostPreSigned = 20_000;
/** Requests are known by their octets up to this length, which one for one certificate seldom reaches. */
const mostRequestOctets = 256;
const retryAfterS = 10;

/**
 * Answers OCSP requests (RFC 6960). A request for one certificate without a nonce gets a response that was signed
 * before, for as long as no certificate is revoked, held or released.
 */
@Injectable()
export class OcspService {
  private readonly faults: OcspFaults;
  /** By CertID. */
  private readonly preSigned = new Map<string, PreSigned>();
  /** The same by the whole request, which then need not be read. */
  private readonly byRequest = new Map<string, PreSigned>();
  /** Of both maps. */
  private version = '';

  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly issuers: OcspIssuers,
    private readonly responders: OcspResponders,
    private readonly statuses: OcspStatuses,
    private readonly metrics: OcspMetrics,
  ) {
    this.faults = new OcspFaults(clock, new Logger('OCSP'));
  }

  /**
   * `publicId` of the authority that is asked; null: any. Throws Problem `invalid-request` for a malformed request,
   * `unavailable` when the status cannot be read or signed now. What is signed before is answered on the spot.
   */
  answer(requestDer: Buffer, publicId: string | null): OcspAnswer | Promise<OcspAnswer> {
    const isCurrent = this.statuses.known() === this.version;
    const known = isCurrent ? this.byRequest.get(requestDer.toString('latin1')) : undefined;
    return this.ready(known, publicId) ?? this.find(requestDer, publicId);
  }

  private async find(requestDer: Buffer, publicId: string | null): Promise<OcspAnswer> {
    const request = this.read(requestDer);
    try {
      return await this.answerTo(request, requestDer, publicId);
    } catch (error) {
      this.metrics.answered(['try-later'], false);
      this.faults.note(error, publicId);
      throw new Problem('unavailable', 'The status is not known now.', { cause: error, retryAfterS });
    }
  }

  private read(requestDer: Buffer): OcspRequest {
    try {
      return readOcspRequest(requestDer);
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      this.metrics.answered(['malformed'], false);
      throw new Problem('invalid-request', error.message);
    }
  }

  private async answerTo(request: OcspRequest, requestDer: Buffer, publicId: string | null): Promise<OcspAnswer> {
    const version = await this.statuses.current();
    this.forgetUnless(version);
    const [first, ...others] = request.certIds as [CertId, ...CertId[]];
    const key = others.length === 0 && request.nonce === null ? first.der.toString('latin1') : null;
    const known = key === null ? undefined : this.preSigned.get(key);
    const ready = this.ready(known, publicId);
    if (known && ready) {
      this.keepRequest(requestDer, known);
      return ready;
    }
    const issuer = await this.issuerOf(request, publicId);
    if (!issuer) {
      this.metrics.answered(['unauthorized'], false);
      return unauthorized;
    }
    const made = await this.sign(request, issuer, version).catch((error: unknown) => {
      throw new SigningFault(issuer, error);
    });
    this.metrics.answered(made.results, false);
    if (key !== null && made.answer.file && this.version === version) {
      keep(this.preSigned, key, made);
      this.keepRequest(requestDer, made);
    }
    return made.answer;
  }

  /** Null when it must be signed anew, or another authority is asked. */
  private ready(known: PreSigned | undefined, publicId: string | null): OcspAnswer | null {
    if (!known || (publicId !== null && publicId !== known.publicId)) return null;
    if (this.clock.now().getTime() >= known.untilMs) return null;
    this.metrics.answered(known.results, true);
    return known.answer;
  }

  private forgetUnless(version: string): void {
    if (version === this.version) return;
    this.preSigned.clear();
    this.byRequest.clear();
    this.version = version;
  }

  private keepRequest(requestDer: Buffer, made: PreSigned): void {
    if (requestDer.length <= mostRequestOctets) keep(this.byRequest, requestDer.toString('latin1'), made);
  }

  /** Of the first certificate whose issuer is here: a response has one signature. */
  private async issuerOf({ certIds }: OcspRequest, publicId: string | null): Promise<OcspIssuer | null> {
    const found = await Promise.all(certIds.map(({ issuerId }) => this.issuers.find(issuerId, publicId)));
    return found.find((issuer) => issuer !== null) ?? null;
  }

  private async sign({ certIds, nonce }: OcspRequest, issuer: OcspIssuer, version: string): Promise<PreSigned> {
    const responder = await this.responders.of(issuer);
    const now = this.clock.now();
    const thisUpdate = new Date(Math.floor(now.getTime() / 1000) * 1000);
    const asked = certIds.map(async (certId) => notAfter(thisUpdate, await this.response(certId, issuer, version)));
    const responses = await Promise.all(asked);
    const validMs = this.config.ocspValidityHours * 3_600_000;
    const nextUpdate = new Date(Math.min(thisUpdate.getTime() + validMs, responder.notAfter.getTime()));
    const tbs = responder.writer.tbs({ responses, thisUpdate, nextUpdate, nonce });
    const { keyHash } = responder;
    demandCleanOcsp(tbs, { certIds: certIds.map((certId) => certId.der), nonce, keyHash });
    const body = responder.writer.assemble(tbs, await responder.signer.sign(responder.hash, tbs));
    const results = responses.map(({ status }) => (typeof status === 'string' ? status : 'revoked'));
    // A nonce is for one client, and what is unknown may be issued the next moment.
    const isLasting = nonce === null && !results.includes('unknown');
    const file = isLasting ? { type, body, etag: etagOf(body), modifiedAt: thisUpdate, freshUntil: nextUpdate } : null;
    const untilMs = (thisUpdate.getTime() + nextUpdate.getTime()) / 2;
    return { answer: { body, file }, publicId: issuer.publicId, untilMs, results };
  }

  private async response(certId: CertId, issuer: OcspIssuer, version: string): Promise<SingleResponse> {
    // `issuerOf` has looked for it in the database.
    const asked = this.issuers.known(certId.issuerId, issuer.publicId);
    if (asked === null) return { certIdDer: certId.der, status: 'unknown' };
    const { authorityId, caSpkiSha256, since } = asked;
    const found = await this.statuses.of({ authorityId, caSpkiSha256, serialHex: certId.serialHex }, version);
    const hasExpired = found !== null && found.notAfter < this.clock.now();
    // No status is ever forgotten, so it is known since the authority began.
    return {
      certIdDer: certId.der,
      status: statusOf(found),
      ...(hasExpired && { archiveCutoff: since }),
    };
  }
}

/** The clock that revoked may be ahead of this one, and an imported CRL may list what is to be revoked later. */
function notAfter(thisUpdate: Date, response: SingleResponse): SingleResponse {
  const { status } = response;
  if (typeof status === 'string' || status.revokedAt <= thisUpdate) return response;
  return { ...response, status: { ...status, revokedAt: thisUpdate } };
}

function keep(kept: Map<string, PreSigned>, key: string, made: PreSigned): void {
  const [oldest] = kept.keys();
  if (kept.size >= mostPreSigned && oldest !== undefined) kept.delete(oldest);
  kept.set(key, made);
}

function etagOf(body: Buffer): string {
  return `"${createHash('sha256').update(body).digest('base64url')}"`;
}

function statusOf(found: IssuedStatus | null): OcspStatus {
  if (found === null) return 'unknown';
  return found.revoked ? { revokedAt: found.revoked.at, reason: found.revoked.reason } : 'good';
}
