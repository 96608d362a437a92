import { isSignedBy, type ParsedCertificate } from '../certificate.js';
import { PkiError } from '../pki-error.js';
import type { PathCertificate } from './path-certificate.js';

/** Bounds of one search: what an attacker sends must not keep the process busy. */
const MOST_SIGNATURES = 100;
const MOST_STEPS = 2000;
/** Intermediates and anchor. */
const LONGEST_PATH = 12;

export interface PathSources {
  leaf: PathCertificate;
  intermediates: readonly PathCertificate[];
  anchors: readonly PathCertificate[];
}

/** A way from the leaf (first) to an anchor (last), of which every signature is right. */
export type CandidatePath = readonly PathCertificate[];

/** Where a search ended that found no anchor. */
export interface DeadEnd {
  /** The longest way that was found, leaf first. */
  path: CandidatePath;
  detail: string;
  isSignature: boolean;
}

/**
 * Walks the graph of certificates from a leaf to the anchors, depth first: issuers with a matching key identifier and
 * anchors come first (RFC 4158 §3.5). Work is bounded: at most 100 signatures are verified in one search.
 */
export class PathSearch {
  private readonly verified = new Map<string, Promise<boolean>>();
  private signatures = 0;
  private steps = 0;
  deadEnd: DeadEnd;

  constructor(private readonly sources: PathSources) {
    this.deadEnd = { path: [sources.leaf], detail: NO_ISSUER, isSignature: false };
  }

  /** Every path to an anchor in order of preference. */
  async *paths(): AsyncGenerator<CandidatePath> {
    const { leaf, anchors } = this.sources;
    if (anchors.some((anchor) => isSame(anchor, leaf))) yield [leaf];
    else yield* this.continued([leaf]);
  }

  private async *continued(path: CandidatePath): AsyncGenerator<CandidatePath> {
    const subject = path.at(-1);
    if (!subject || path.length >= LONGEST_PATH) return;
    for (const { issuer, isAnchor } of this.candidates(subject, path)) {
      this.steps += 1;
      if (this.steps > MOST_STEPS || this.signatures >= MOST_SIGNATURES) {
        this.deadEnd = { ...this.deadEnd, detail: 'The search for a path was given up: there are too many ways' };
        return;
      }
      if (!(await this.isSigned(subject, issuer))) {
        this.remember(
          path,
          `No issuer has signed this certificate, although "${issuer.certificate.subject}" is named so`,
          true,
        );
        continue;
      }
      const longer = [...path, issuer];
      if (isAnchor) yield longer;
      else {
        this.remember(longer, NO_ISSUER, false);
        yield* this.continued(longer);
      }
    }
  }

  /** Certificates with the issuer's name that are not in the path yet, the likely ones first. */
  private candidates({ certificate, issuerKey }: PathCertificate, path: CandidatePath) {
    const keyIdentifier = certificate.authorityKeyIdentifier;
    const fits = (one: PathCertificate): boolean =>
      one.subjectKey !== null && one.subjectKey === issuerKey && !path.some((used) => isSameEntity(used, one));
    const doubt = ({ certificate: { subjectKeyIdentifier } }: PathCertificate): number =>
      keyIdentifier === undefined || subjectKeyIdentifier === undefined
        ? 1
        : subjectKeyIdentifier === keyIdentifier
          ? 0
          : 2;
    const { anchors, intermediates } = this.sources;
    return [
      ...anchors.filter(fits).map((issuer) => ({ issuer, isAnchor: true })),
      ...intermediates.filter(fits).map((issuer) => ({ issuer, isAnchor: false })),
    ].sort((a, b) => doubt(a.issuer) - doubt(b.issuer));
  }

  private remember(path: CandidatePath, detail: string, isSignature: boolean): void {
    const isBetter =
      path.length > this.deadEnd.path.length || (isSignature && path.length === this.deadEnd.path.length);
    if (isBetter) this.deadEnd = { path, detail, isSignature };
  }

  private async isSigned({ certificate: subject }: PathCertificate, { certificate: issuer }: PathCertificate) {
    const pair = `${subject.fingerprintSha256} ${issuer.fingerprintSha256}`;
    const known = this.verified.get(pair);
    if (known) return known;
    this.signatures += 1;
    const result = isVerifiable(subject, issuer);
    this.verified.set(pair, result);
    return result;
  }
}

const NO_ISSUER = 'No certificate of the issuer is known';

/** False when the signature or the key cannot be checked here. */
async function isVerifiable(subject: ParsedCertificate, issuer: ParsedCertificate): Promise<boolean> {
  try {
    return await isSignedBy(subject, issuer);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

function isSame(a: PathCertificate, b: PathCertificate): boolean {
  return a.certificate.fingerprintSha256 === b.certificate.fingerprintSha256;
}

/** RFC 4158 §5.2: one name and key twice in a path is a loop. */
function isSameEntity(a: PathCertificate, b: PathCertificate): boolean {
  return isSame(a, b) || (a.subjectKey === b.subjectKey && a.certificate.spkiDer.equals(b.certificate.spkiDer));
}
