import { parseCertificate } from '../../src/pki/certificate.js';
import type { RawExtension } from '../../src/plugin-api/terms.js';
import * as der from '../../src/pki/der/writer.js';
import * as x from '../../src/pki/extensions.js';
import { type NameLimits, nameConstraints } from '../../src/pki/name-constraints.js';
import { type Ca, type CaWish, type Hierarchy, inDays, type Issued, type LeafWish } from './hierarchy.js';
import type { CrlWish, Revocation } from './status-lists.js';

/** What a validator must say of a leaf, and why it refuses it. */
export type Verdict =
  | 'good'
  | 'expired'
  | 'not yet valid'
  | 'revoked'
  | 'status unknown'
  | 'name constraints'
  | 'path length'
  | 'purpose'
  | 'policies'
  | 'critical extension'
  | 'signature'
  | 'not a CA'
  | 'untrusted';

/** What a kind makes. `path`: the CAs from the anchor to the issuer of the leaf. */
export interface Draft {
  leaf: Issued;
  path: readonly Ca[];
  /** CAs beside the path whose certificates are shown too. */
  beside?: readonly Ca[];
  anchor?: Ca;
  revoked?: readonly Revocation[];
  crl?: CrlWish;
  /**
   * The leaf was on hold and is released, as the delta CRL of its issuer says. `base`: the complete CRL from before or
   * after that.
   */
  released?: { base: 'before' | 'after' };
  /** Signs the CRL of the issuer of the leaf in its name; null: there is none. */
  crlSigner?: Ca | null;
  policy?: string;
  /** The issuer of the leaf is none that could have a responder. */
  isUnanswered?: boolean;
}

/** A way to build a hierarchy, and what every validator must say of its leaf. */
export interface Kind {
  verdict: Verdict;
  /** How many CAs it needs at least, the root included. */
  fewestCas?: number;
  make(hierarchy: Hierarchy, cas: number): Promise<Draft>;
}

const [policy, otherPolicy] = ['1.3.6.1.4.1.55555.1', '1.3.6.1.4.1.55555.2'];
const unknownExtension: RawExtension = { oid: '1.3.6.1.4.1.55555.9', critical: true, valueDer: der.nullValue() };
/** Throws when there is none. */
export const last = <T>(list: readonly T[]): T => {
  const found = list.at(-1);
  if (found === undefined) throw new Error('The list is empty');
  return found;
};

/** A chain of which one leaf differs. */
const leafKind = (verdict: Verdict, wish: LeafWish = {}, more: Partial<Draft> = {}): Kind => ({
  verdict,
  make: async (hierarchy, cas) => {
    const path = await hierarchy.chain(cas);
    return { path, leaf: await hierarchy.leaf(last(path), wish), ...more };
  },
});

/** A leaf that is revoked with this reason. */
const revokedKind = (reason: number): Kind => ({
  verdict: 'revoked',
  make: async (hierarchy, cas) => {
    const path = await hierarchy.chain(cas);
    const leaf = await hierarchy.leaf(last(path));
    return { path, leaf, revoked: [{ certificate: leaf.certificate, reason }] };
  },
});

/** A leaf that was on hold. */
const releasedKind = (base: 'before' | 'after'): Kind => leafKind('good', {}, { released: { base } });

/** The issuer of the leaf is one that differs. */
const issuerKind = (verdict: Verdict, wish: CaWish, leaf: LeafWish = {}): Kind => ({
  verdict,
  fewestCas: 2,
  make: async (hierarchy, cas) => {
    const above = await hierarchy.chain(cas - 1);
    const issuer = await hierarchy.ca(last(above), wish);
    return { path: [...above, issuer], leaf: await hierarchy.leaf(issuer, leaf), isUnanswered: true };
  },
});

/** A CA below the root has name constraints; those of roots are not everybody's business (RFC 5280 §6.1.1 (d)). */
const namesKind = (verdict: 'good' | 'name constraints', limits: NameLimits, leaf: LeafWish): Kind => ({
  verdict,
  fewestCas: 2,
  make: async (hierarchy, cas) => {
    const extension = nameConstraints(limits);
    const path = await hierarchy.chain(cas, [undefined, { extensions: extension ? [extension] : [] }]);
    return { path, leaf: await hierarchy.leaf(last(path), { ...leaf, isForged: verdict !== 'good' }) };
  },
});

const names = (type: 'dns' | 'ip' | 'email', value: string): LeafWish => ({
  subjectAltNames: [{ type: 'dns', value: 'www.example.com' }, ...(type === 'dns' ? [] : [{ type, value }])],
});

const crossKind = (revoke?: 'path' | 'other'): Kind => ({
  verdict: revoke === 'path' ? 'revoked' : 'good',
  fewestCas: 2,
  make: async (hierarchy) => {
    const [one, other] = [await hierarchy.ca(), await hierarchy.ca()];
    const issuer = await hierarchy.ca(one);
    const cross = await hierarchy.ca(other, { again: issuer });
    const revoked = revoke && { certificate: (revoke === 'path' ? cross : issuer).certificate, reason: 5 };
    const path = [other, cross];
    return { path, beside: [one, issuer], leaf: await hierarchy.leaf(issuer), revoked: revoked ? [revoked] : [] };
  },
});

/** A leaf from before the renewal of its issuer is judged after it. */
const renewedKind = (key: 'same' | 'new', isRevoked = false): Kind => ({
  verdict: isRevoked ? 'revoked' : 'good',
  fewestCas: 2,
  make: async (hierarchy, cas) => {
    const above = await hierarchy.chain(cas - 1);
    const before = await hierarchy.ca(last(above), { until: inDays(200) });
    const after = await hierarchy.ca(last(above), key === 'same' ? { again: before } : { namedAs: before });
    const leaf = await hierarchy.leaf(before);
    const path = [...above, key === 'same' ? after : before];
    const revoked = isRevoked ? [{ certificate: leaf.certificate, reason: 4 }] : [];
    return { path, beside: key === 'same' ? [] : [after], leaf, revoked };
  },
});

/** The root has one list, in which OpenSSL looks for the root itself. */
const shardedKind = (isRevoked: boolean): Kind => ({
  verdict: isRevoked ? 'revoked' : 'good',
  fewestCas: 2,
  make: async (hierarchy, cas) => {
    const path = await hierarchy.chain(cas, [undefined, ...Array<CaWish>(cas - 1).fill({ crlShards: 4 })]);
    const leaf = await hierarchy.leaf(last(path));
    return { path, leaf, revoked: isRevoked ? [{ certificate: leaf.certificate, reason: 9 }] : [] };
  },
});

const policyKind = (verdict: 'good' | 'policies', wishes: readonly CaWish[], leaf: LeafWish): Kind => ({
  verdict,
  fewestCas: 2,
  make: async (hierarchy, cas) => {
    const path = await hierarchy.chain(cas, [undefined, { policies: [policy] }, ...wishes]);
    return { path, leaf: await hierarchy.leaf(last(path), leaf), policy };
  },
});

/** By what is to be judged. */
export const kinds: Readonly<Record<string, Kind>> = {
  'a sound leaf': leafKind('good'),
  'an expired leaf': leafKind('expired', { notAfter: inDays(-3) }),
  'a leaf that is not valid yet': leafKind('not yet valid', { notBefore: inDays(2) }),
  'a leaf for clients alone': leafKind('purpose', { extendedKeyUsage: [x.extendedKeyUsageOid('clientAuth')] }),
  'a leaf for mail alone': leafKind('purpose', { extendedKeyUsage: [x.extendedKeyUsageOid('emailProtection')] }),
  'an unknown critical extension': leafKind('critical extension', { extensions: [unknownExtension] }),
  'a revoked leaf': revokedKind(1),
  'a leaf that is revoked without a reason': revokedKind(0),
  'a leaf on hold': revokedKind(6),
  'a leaf that was released from a hold': releasedKind('after'),
  'a leaf that a delta CRL releases from a hold': releasedKind('before'),
  'a leaf beside which another one is revoked': {
    verdict: 'good',
    make: async (hierarchy, cas) => {
      const path = await hierarchy.chain(cas);
      const { certificate } = await hierarchy.leaf(last(path));
      return { path, leaf: await hierarchy.leaf(last(path)), revoked: [{ certificate, reason: 1 }] };
    },
  },
  'a revoked intermediate CA': {
    verdict: 'revoked',
    fewestCas: 2,
    make: async (hierarchy, cas) => {
      const path = await hierarchy.chain(cas);
      const certificate = path[1]?.certificate;
      const revoked = certificate ? [{ certificate, reason: 2 }] : [];
      return { path, leaf: await hierarchy.leaf(last(path)), revoked };
    },
  },
  'a CRL that is out of date': leafKind('status unknown', {}, { crl: { nextUpdate: inDays(-1) } }),
  'no CRL': leafKind('status unknown', {}, { crlSigner: null }),
  'a CRL that another key has signed': {
    verdict: 'status unknown',
    make: async (hierarchy, cas) => {
      const path = await hierarchy.chain(cas);
      return { path, leaf: await hierarchy.leaf(last(path)), crlSigner: await hierarchy.ca() };
    },
  },
  'a sound leaf with sharded CRLs': shardedKind(false),
  'a leaf that a shard lists': shardedKind(true),
  'an expired issuer': issuerKind('expired', { until: inDays(-2) }, { isForged: true }),
  'an issuer that is no CA': issuerKind(
    'not a CA',
    { only: [x.basicConstraints(false), x.keyUsage(['digitalSignature'])] },
    { isForged: true },
  ),
  'an issuer that must not sign certificates': issuerKind(
    'not a CA',
    { only: [x.basicConstraints(true), x.keyUsage(['cRLSign'])] },
    { isForged: true },
  ),
  'path lengths that are kept': {
    verdict: 'good',
    make: async (hierarchy, cas) => {
      const wishes = Array.from({ length: cas }, (_, depth): CaWish => ({ pathLength: cas - 1 - depth }));
      const path = await hierarchy.chain(cas, wishes);
      return { path, leaf: await hierarchy.leaf(last(path)) };
    },
  },
  'a path length that is exceeded': {
    verdict: 'path length',
    fewestCas: 3,
    make: async (hierarchy, cas) => {
      const wishes: CaWish[] = [...Array<CaWish>(cas - 2).fill({}), { pathLength: 0 }, { isForged: true }];
      const path = await hierarchy.chain(cas, wishes);
      return { path, leaf: await hierarchy.leaf(last(path)) };
    },
  },
  'a permitted DNS name': namesKind('good', { permitted: { dns: ['example.com'] } }, {}),
  'a DNS name that is not permitted': namesKind('name constraints', { permitted: { dns: ['example.org'] } }, {}),
  'an excluded DNS name': namesKind('name constraints', { excluded: { dns: ['www.example.com'] } }, {}),
  'a permitted address': namesKind('good', { permitted: { ip: ['192.0.2.0/24'] } }, names('ip', '192.0.2.7')),
  'an address that is not permitted': namesKind(
    'name constraints',
    { permitted: { ip: ['192.0.2.0/24'] } },
    names('ip', '198.51.100.7'),
  ),
  'an excluded IPv6 address': namesKind(
    'name constraints',
    { excluded: { ip: ['2001:db8::/32'] } },
    names('ip', '2001:db8::7'),
  ),
  'a permitted mail address': namesKind(
    'good',
    { permitted: { email: ['example.com'] } },
    names('email', 'joe@example.com'),
  ),
  'a mail address that is not permitted': namesKind(
    'name constraints',
    { permitted: { email: ['example.com'] } },
    names('email', 'joe@example.org'),
  ),
  'a permitted subject': namesKind('good', { permitted: { directoryName: [{ organization: 'Example' }] } }, {}),
  'a subject that is not permitted': namesKind(
    'name constraints',
    { permitted: { directoryName: [{ organization: 'Example' }] } },
    { subject: { commonName: 'www.example.com', organization: 'Other' } },
  ),
  'a cross-signed issuer': crossKind(),
  'a cross-signed issuer whose other certificate is revoked': crossKind('other'),
  'a cross-signed issuer whose certificate of this root is revoked': crossKind('path'),
  'an issuer that was renewed with its key': renewedKind('same'),
  'an issuer that was renewed with a new key': renewedKind('new'),
  'a revoked leaf of an issuer that was renewed with a new key': renewedKind('new', true),
  'a root that was renewed with its key': {
    verdict: 'good',
    make: async (hierarchy, cas) => {
      const path = await hierarchy.chain(cas);
      const [root] = path;
      const anchor = await hierarchy.ca(undefined, { again: root, until: inDays(2000) });
      return { path, anchor, leaf: await hierarchy.leaf(last(path)) };
    },
  },
  'another root of the same name': {
    verdict: 'untrusted',
    make: async (hierarchy, cas) => {
      const path = await hierarchy.chain(cas);
      const anchor = await hierarchy.ca(undefined, { namedAs: path[0] });
      return { path, anchor, leaf: await hierarchy.leaf(last(path)) };
    },
  },
  'a changed leaf': {
    verdict: 'signature',
    make: async (hierarchy, cas) => {
      const path = await hierarchy.chain(cas);
      const { certificate, issuer } = await hierarchy.leaf(last(path));
      const changed = Buffer.from(certificate.der);
      changed[changed.length - 5] = (changed.at(-5) ?? 0) ^ 0x01;
      return { path, leaf: { certificate: parseCertificate(changed), issuer } };
    },
  },
  'the policy that is wanted': policyKind('good', [], {}),
  'a leaf with another policy': policyKind('policies', [], { policies: [otherPolicy] }),
  'a leaf without a policy': policyKind('policies', [], { policies: [] }),
  'a CA with another policy': {
    ...policyKind('policies', [{ policies: [otherPolicy] }, { policies: [policy] }], { policies: [policy] }),
    fewestCas: 3,
  },
};
