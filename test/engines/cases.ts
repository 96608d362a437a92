import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { serviceUrls } from '../../src/pki/extension-reader.js';
import { type Ca, crlUrlOf, Hierarchy, inDays, type Issued, KeyPool } from './hierarchy.js';
import { type Draft, kinds, last, type Verdict } from './kinds.js';
import { crlOf, type IdHash, ocspOf } from './status-lists.js';

/** A CRL in DER, and where certificates say that it is. */
export interface Published {
  url: string;
  der: Buffer;
  isDelta?: boolean;
}

/** A certificate of the path, and what the responder of its issuer answers; null without a responder. */
export interface Answered extends Issued {
  status: 'good' | 'revoked';
  ocsp: Record<IdHash, Buffer> | null;
}

/** One hierarchy, with the verdict that its generator knows. */
export interface Case {
  kind: string;
  name: string;
  verdict: Verdict;
  anchors: readonly ParsedCertificate[];
  /** In no order. */
  intermediates: readonly ParsedCertificate[];
  leaf: ParsedCertificate;
  /** Leaf first, without the anchor. */
  path: readonly Answered[];
  crls: readonly Published[];
  /** The policy that the leaf must be for; absent: any. */
  policy?: string;
}

/** The same numbers for the same seed, from 0 up to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const keyTypes = ['ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'RSA2048', 'ED25519'] as const;
/** Slow to make: for roots of hierarchies with several types of key. */
const rootKeyTypes = [...keyTypes, 'RSA3072', 'RSA4096'] as const;
const mostCas = 4;

/** Each kind with four of the five types of key, and once with a type for each certificate. */
export async function makeCases(seed: number): Promise<Case[]> {
  const [keys, random] = [new KeyPool(), randomOf(seed)];
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const cases: Case[] = [];
  for (const [at, [kind, one]] of Object.entries(kinds).entries()) {
    const uniform = keyTypes.filter((_, index) => index !== at % keyTypes.length);
    for (const keyType of [...uniform, 'mixed']) {
      const fewest = one.fewestCas ?? 1;
      const cas = fewest + Math.floor(random() * (mostCas - fewest + 1));
      const types = Array.from({ length: mostCas + 1 }, (_, depth) => pick(depth === 0 ? rootKeyTypes : keyTypes));
      const typeAt = (depth: number): string => (keyType === 'mixed' ? (types[depth] ?? '') : keyType);
      const hierarchy = new Hierarchy(`Case ${cases.length + 1}`, keys, typeAt);
      const draft = await one.make(hierarchy, cas);
      const name = `${kind}, ${keyType === 'mixed' ? types.slice(0, cas + 1).join(' ') : keyType}, ${cas} CAs`;
      cases.push({ kind, name, verdict: one.verdict, ...(await finished(draft, keys)) });
    }
  }
  return cases;
}

type Finished = Omit<Case, 'kind' | 'name' | 'verdict'>;

async function finished(draft: Draft, keys: KeyPool): Promise<Finished> {
  const { leaf, path, beside = [], revoked = [] } = draft;
  const anchor = draft.anchor ?? path[0];
  if (!anchor) throw new Error('There is no anchor');
  const answered: Answered[] = [];
  const issuedByPath: Issued[] = path.slice(1).flatMap(({ certificate }, at) => {
    const issuer = path[at];
    return issuer ? [{ certificate, issuer }] : [];
  });
  for (const issued of [{ ...leaf, issuer: last(path) }, ...issuedByPath.reverse()]) {
    const reason = revoked.find(({ certificate }) => certificate === issued.certificate)?.reason;
    const status = reason === undefined ? 'good' : { revokedAt: inDays(-2), reason };
    const answer = (idHash: IdHash): Promise<Buffer> => ocspOf(issued, idHash, status, keys);
    const isAnswered = !draft.isUnanswered || issued.certificate !== leaf.certificate;
    const ocsp = isAnswered ? { sha1: await answer('sha1'), sha256: await answer('sha256') } : null;
    answered.push({ ...issued, ocsp, status: reason === undefined ? 'good' : 'revoked' });
  }
  const crls: Published[] = [];
  for (const ca of [...path, ...beside]) crls.push(...(await listsOf(ca, draft)));
  return {
    anchors: [anchor.certificate],
    intermediates: [...path.slice(1), ...beside].map(({ certificate }) => certificate),
    leaf: leaf.certificate,
    path: answered,
    crls,
    ...(draft.policy !== undefined && { policy: draft.policy }),
  };
}

/** The CRLs of one CA: all its shards, or the one list. */
async function listsOf(ca: Ca, draft: Draft): Promise<Published[]> {
  const { leaf, path, revoked = [], crl, crlSigner } = draft;
  const { authorityKeyIdentifier: leafKey } = leaf.certificate;
  const isIssuer = ca === last(path) || (leafKey !== undefined && leafKey === ca.certificate.subjectKeyIdentifier);
  if (isIssuer && crlSigner === null) return [];
  const signer = (isIssuer && crlSigner) || ca;
  // As published: the list of each key has what the CA has revoked with any key, since a CRL is about a name.
  const listed = revoked.filter(({ certificate }) => certificate.issuerDer.equals(ca.certificate.subjectDer));
  const signing = { ...ca, signer: signer.signer };
  const url = crlUrlOf(ca);
  if (isIssuer && draft.released) return releasingLists(signing, draft.leaf, draft.released.base);
  if (ca.crlShards === 0) return [{ url, der: await crlOf(signing, listed, isIssuer ? crl : {}) }];
  return Promise.all(
    Array.from({ length: ca.crlShards }, async (_, shard) => {
      const point = url.replace('{shard}', String(shard));
      const inShard = listed.filter(({ certificate }) => crlUrlIn(certificate) === point);
      return { url: point, der: await crlOf(signing, inShard, { distributionPoint: [point] }) };
    }),
  );
}

/** The complete CRL, from before or after the release of the leaf, and the delta CRL that tells of it. */
async function releasingLists(ca: Ca, { certificate }: Issued, base: 'before' | 'after'): Promise<Published[]> {
  const [url, deltaUrl] = [crlUrlOf(ca), crlUrlOf(ca).replace(/crl$/, 'delta.crl')];
  const held = BigInt(Date.now());
  const released = held + 1n;
  const [number, entries] = base === 'before' ? [held, [{ certificate, reason: 6 }]] : [released, []];
  return [
    { url, der: await crlOf(ca, entries, { number, freshest: [deltaUrl] }) },
    {
      url: deltaUrl,
      der: await crlOf(ca, [{ certificate, reason: 8 }], { number: released, baseNumber: held }),
      isDelta: true,
    },
  ];
}

/** Where a certificate says that its CRL is. */
export function crlUrlIn({ extensions }: ParsedCertificate): string {
  return serviceUrls(extensions).crl[0] ?? '';
}
