import type { KeyObject } from 'node:crypto';
import type { AuthorityMaterial, CreateAuthorityRequest } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Signer } from '../../src/plugin-api/signer.js';
import type { CertificateTerms, RawExtension } from '../../src/plugin-api/terms.js';
import { certificateWriter } from '../../src/pki/certificate-writer.js';
import { type ParsedCertificate, parseCertificate } from '../../src/pki/certificate.js';
import { buildCsr, parseCsr } from '../../src/pki/csr.js';
import * as x from '../../src/pki/extensions.js';
import { issuerKeyIdentifier } from '../../src/pki/issuer-key.js';
import { generatePrivateKey, keyIdentifierOf } from '../../src/pki/key.js';
import { encodeSubject } from '../../src/pki/names.js';
import { toPem } from '../../src/pki/pem.js';
import { newSerial } from '../../src/pki/serial.js';
import { signatureAlgorithmOf, signerOf } from '../../src/pki/sign.js';
import { localCa, type LocalCaOptions } from '../../plugins/local-ca/local-ca.issuer.js';
import { noKeeping } from '../support/issuer-requests.js';

const dayMs = 86_400_000;
/** Programs of others judge by the real time. */
const now = new Date(Math.floor(Date.now() / 1000) * 1000);
export const inDays = (days: number): Date => new Date(now.getTime() + days * dayMs);

const context = {
  signal: new AbortController().signal,
  now: () => new Date(),
  log: () => undefined,
} as unknown as PluginContext;

/** What a CA of these tests signs with, and what it has signed. */
export interface Ca {
  material: AuthorityMaterial;
  certificate: ParsedCertificate;
  signer: Signer;
  policies: readonly string[];
  /** How many CRLs share its certificates; 0: it has one. */
  crlShards: number;
}

/** A certificate and the CA that issued it. */
export interface Issued {
  certificate: ParsedCertificate;
  issuer: Ca;
}

/** How a CA differs from an ordinary one. `isForged`: written although the plugin refuses it. */
export interface CaWish {
  pathLength?: number;
  extensions?: readonly RawExtension[];
  until?: Date;
  policies?: readonly string[];
  isForged?: boolean;
  /** In place of the extensions of a CA, which the plugin always writes. */
  only?: readonly RawExtension[];
  crlShards?: number;
  /** The key and name of this CA, which is certified once more. */
  again?: Ca;
  /** The name of this CA with a key of its own. */
  namedAs?: Ca;
}

/** How a leaf differs from an ordinary server certificate. */
export interface LeafWish extends Partial<CertificateTerms> {
  policies?: readonly string[];
  isForged?: boolean;
}

/** Private keys, each made when it is first asked for and used by all hierarchies. */
export class KeyPool {
  private readonly keys = new Map<string, Promise<KeyObject>>();

  get(keyType: string, use: string): Promise<KeyObject> {
    const name = `${keyType} ${use}`;
    const key = this.keys.get(name) ?? generatePrivateKey(keyType);
    this.keys.set(name, key);
    return key;
  }
}

const serverAuth = x.extendedKeyUsageOid('serverAuth');

/** Certificates of one test case, issued by the plugin `local-ca`. `keyTypeAt`: by the depth below the root. */
export class Hierarchy {
  private made = 0;

  constructor(
    readonly label: string,
    private readonly keys: KeyPool,
    private readonly keyTypeAt: (depth: number) => string,
  ) {}

  /** The root first; `wishes` by position. */
  async chain(count: number, wishes: readonly (CaWish | undefined)[] = []): Promise<Ca[]> {
    const cas: Ca[] = [];
    for (let depth = 0; depth < count; depth++) cas.push(await this.ca(cas.at(-1), wishes[depth]));
    return cas;
  }

  async ca(parent?: Ca, wish: CaWish = {}): Promise<Ca> {
    this.made += 1;
    const depth = parent ? parent.material.chainPem.length + 1 : 0;
    const name = wish.namedAs ?? wish.again;
    const signer = wish.again?.signer ?? signerOf(await this.keys.get(this.keyTypeAt(depth), `ca ${this.made}`));
    const request: CreateAuthorityRequest = {
      subject: { organization: 'Example', organizationalUnit: this.label, commonName: `CA ${this.made}` },
      ...(name && { subjectDer: name.certificate.subjectDer }),
      notBefore: inDays(-30 + depth),
      notAfter: wish.until ?? inDays(1000 - depth),
      pathLength: wish.pathLength,
      extensions: wish.extensions,
      signer,
      ...(parent && { parent: parent.material, parentPublication: localCa.publication?.(optionsOf(parent)) }),
    };
    const { policies = parent?.policies ?? [] } = wish;
    const options = localCa.options.parse({ policies: parent ? policies : [] });
    const create = async (): Promise<readonly string[]> =>
      (await localCa.createAuthority?.(request, options, context))?.chainPem ?? [];
    const writeIt = async (): Promise<string[]> =>
      parent ? [await writeCa(parent, request, wish), ...chainOf(parent)] : [];
    const chain = wish.only ? writeIt() : wish.isForged ? forged(create, writeIt) : create();
    const [certificatePem = '', ...chainPem] = await chain;
    const material = { cacheKey: `${this.label} ${this.made}`, certificatePem, chainPem, signer };
    const { crlShards = 0 } = wish;
    return { material, certificate: parseCertificate(certificatePem), signer, policies, crlShards };
  }

  async leaf(issuer: Ca, wish: LeafWish = {}): Promise<Issued> {
    const { policies = issuer.policies, isForged, ...changes } = wish;
    const key = await this.keys.get(this.keyTypeAt(issuer.material.chainPem.length + 1), 'leaf');
    const csrPem = await buildCsr({ subject: { commonName: 'www.example.com' }, subjectAltNames: [] }, key);
    const { spkiDer } = parseCsr(csrPem);
    const terms: CertificateTerms = {
      subject: { commonName: 'www.example.com', organization: 'Example' },
      subjectAltNames: [{ type: 'dns', value: 'www.example.com' }],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: [serverAuth],
      extensions: [],
      notBefore: inDays(-20),
      notAfter: inDays(90),
      ...changes,
    };
    const request = { csrPem, spkiDer, terms, idempotencyKey: this.label };
    const options = { ...optionsOf(issuer), policies: [...policies] };
    const authority = { ...issuer.material, cacheKey: `${issuer.material.cacheKey} ${policies.join()}` };
    const order = async (): Promise<readonly string[]> => {
      const outcome = await localCa.order({ request, authority, ...noKeeping }, options, context);
      return outcome.status === 'issued' ? outcome.chainPem : [];
    };
    const writeIt = async (): Promise<string[]> => [await write(issuer, leafOf(terms, spkiDer))];
    const [pem = ''] = await (isForged ? forged(order, writeIt) : order());
    return { certificate: parseCertificate(pem), issuer };
  }
}

/** Where the certificates of a CA say that it publishes: nobody listens there. */
function urlOf({ material }: Ca, what: string): string {
  return `http://127.0.0.1:1/${material.cacheKey.replaceAll(/\W/g, '-')}.${what}`;
}

/** Where the certificates of a CA say that its CRL is; with `{shard}` when it has several. */
export function crlUrlOf(ca: Ca): string {
  return urlOf(ca, ca.crlShards > 0 ? '{shard}.crl' : 'crl');
}

function optionsOf(ca: Ca): LocalCaOptions {
  const { crlShards } = ca;
  const [ocsp, caIssuers] = [[urlOf(ca, 'ocsp')], [urlOf(ca, 'crt')]];
  return localCa.options.parse({ crlDistributionPoints: [crlUrlOf(ca)], crlShards, ocsp, caIssuers });
}

function chainOf({ material }: Ca): string[] {
  return [material.certificatePem, ...material.chainPem];
}

interface Content {
  subjectDer: Buffer;
  spkiDer: Buffer;
  notBefore: Date;
  notAfter: Date;
  extensions: readonly RawExtension[];
}

function leafOf(terms: CertificateTerms, spkiDer: Buffer): Content {
  const { subject, notBefore, notAfter, keyUsage, extendedKeyUsage, subjectAltNames, extensions } = terms;
  return {
    subjectDer: encodeSubject(subject),
    spkiDer,
    notBefore,
    notAfter,
    extensions: [
      x.basicConstraints(false),
      x.keyUsage(keyUsage),
      x.extendedKeyUsage(extendedKeyUsage),
      x.subjectAltName(subjectAltNames, false),
      ...extensions,
    ],
  };
}

function writeCa(parent: Ca, request: CreateAuthorityRequest, wish: CaWish): Promise<string> {
  const { signer, notBefore, notAfter, pathLength, subject, extensions = [] } = request;
  const { subjectDer = encodeSubject(subject) } = request;
  const ofCa = wish.only ?? [x.basicConstraints(true, pathLength), x.keyUsage(['keyCertSign', 'cRLSign'])];
  return write(parent, {
    subjectDer,
    spkiDer: signer.spkiDer,
    notBefore,
    notAfter,
    extensions: [...ofCa, ...extensions],
  });
}

/** What the plugin must refuse, written all the same: others must refuse it too. */
async function forged<T>(create: () => Promise<T>, writeIt: () => Promise<T>): Promise<T> {
  const refusal = await create().then(
    () => null,
    (error: unknown) => error,
  );
  if (refusal instanceof PluginError && refusal.fault !== 'unavailable') return writeIt();
  throw new Error('The plugin does not refuse what violates the chain', { cause: refusal });
}

/** Signs any content, unchecked; for a CA with one CRL. The certificate as PEM. */
async function write(issuer: Ca, { extensions, ...content }: Content): Promise<string> {
  const { certificate, signer } = issuer;
  const { hash, algorithmDer } = signatureAlgorithmOf(signer);
  const writer = certificateWriter({
    issuerDer: certificate.subjectDer,
    issuerKeyIdentifier: issuerKeyIdentifier(certificate),
    signatureAlgorithm: algorithmDer,
    constantExtensions: [x.crlDistributionPoints([crlUrlOf(issuer)])],
  });
  const identifier = x.subjectKeyIdentifier(keyIdentifierOf(content.spkiDer));
  const tbs = writer.tbs({ ...content, serial: newSerial(), extensions: [identifier, ...extensions] });
  return toPem('CERTIFICATE', writer.assemble(tbs, await signer.sign(hash, tbs)));
}
