import { Injectable } from '@nestjs/common';
import type { ParsedCertificate } from '../../pki/certificate.js';
import type { ParsedCrl } from '../../pki/crl-reader.js';
import { serviceUrls } from '../../pki/extension-reader.js';
import type { PathDemands } from '../../pki/path/validate-path.js';
import { type PathVerdict, verifyPath } from '../../pki/path/verify-path.js';
import { Clock } from '../../platform/clock.js';
import { RevocationCheck, type RevocationFacts } from './revocation-check.js';
import { RevocationSources } from './revocation-sources.js';
import { TrustAnchors, type TrustSource } from './trust-anchors.js';

/** What to verify, and what is trusted. `at` of the demands is the moment that counts for the path. */
export interface VerifyAsk {
  leaf: ParsedCertificate;
  intermediates: readonly ParsedCertificate[];
  anchors: readonly ParsedCertificate[];
  trust: readonly TrustSource[];
  demands: PathDemands;
  crls: readonly ParsedCrl[];
  withRevocation: boolean;
}

/** What is known here of a certificate without asking anybody; null when nothing is. */
export type KnownStatus = (certificate: ParsedCertificate) => Promise<RevocationFacts | null>;

/** `revocation`: one for each certificate of the path but the anchor; empty unless the path is valid. */
export interface Verified extends PathVerdict {
  revocation: RevocationFacts[];
}

/** Intermediates that are fetched for one path. */
const mostFetched = 3;

/** Verifies a certificate: looks for a path, validates it, and asks whether anything on it is revoked. */
@Injectable()
export class Verification {
  constructor(
    private readonly clock: Clock,
    private readonly anchors: TrustAnchors,
    private readonly sources: RevocationSources,
    private readonly check: RevocationCheck,
  ) {}

  async verify(ask: VerifyAsk, known: KnownStatus): Promise<Verified> {
    const verdict = await this.findPath(ask);
    if (!verdict.valid || !ask.withRevocation) return { ...verdict, revocation: [] };
    const pairs = verdict.path
      .slice(0, -1)
      .map((certificate, depth) => ({ certificate, issuer: verdict.path[depth + 1] }));
    const revocation = await Promise.all(
      pairs.map(async ({ certificate, issuer = certificate }) => {
        const facts = await known(certificate);
        return this.asOf(ask.demands.at, facts ?? (await this.check.status({ certificate, issuer, crls: ask.crls })));
      }),
    );
    return { ...verdict, revocation };
  }

  /** Fetches the issuers that a chain lacks from the addresses in its certificates (RFC 5280 §4.2.2.1). */
  private async findPath({ leaf, intermediates, anchors, trust, demands }: VerifyAsk): Promise<PathVerdict> {
    const known = await this.anchors.of(trust);
    const pool = [...intermediates, ...known.intermediates];
    const trusted = [...anchors, ...known.anchors];
    let verdict = await verifyPath({ leaf, intermediates: pool, anchors: trusted }, demands);
    for (let fetched = 0; fetched < mostFetched && lacksIssuer(verdict); fetched += 1) {
      const found = await this.issuersOf(verdict.path.at(-1) ?? leaf);
      if (found.length === 0) break;
      pool.push(...found);
      verdict = await verifyPath({ leaf, intermediates: pool, anchors: trusted }, demands);
    }
    return verdict;
  }

  private async issuersOf({ extensions }: ParsedCertificate): Promise<readonly ParsedCertificate[]> {
    const url = serviceUrls(extensions).caIssuers.find((one) => /^http:/i.test(one) && URL.canParse(one));
    if (url === undefined) return [];
    const found = await this.sources.issuers(url);
    return 'value' in found ? found.value : [];
  }

  /** What was revoked after the moment in question was not revoked then. */
  private asOf(at: Date, facts: RevocationFacts): RevocationFacts {
    if (facts.status !== 'revoked' || facts.revokedAt <= at || at >= this.clock.now()) return facts;
    return { status: 'good', why: `Revoked only at ${facts.revokedAt.toISOString()}`, source: facts.source };
  }
}

function lacksIssuer({ faults }: PathVerdict): boolean {
  return faults.some(({ check }) => check === 'trust');
}
