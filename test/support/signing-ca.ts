import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OrderRequest } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { CertificateTerms, SubjectAltName } from '../../src/plugin-api/terms.js';
import { loadConfig } from '../../src/platform/config.js';
import { GuardedAgents } from '../../src/platform/net/guarded-agent.js';
import { guardedFetch } from '../../src/platform/net/guarded-fetch.js';
import { buildCsr } from '../../src/pki/csr.js';
import { generatePrivateKey } from '../../src/pki/key.js';
import { openssl, pluginContext } from './bundles.js';
import { noKeeping } from './issuer-requests.js';

/** A root and an issuing CA below it, made by openssl, that sign certificate requests. */
export interface SigningCa {
  rootPem: string;
  issuingPem: string;
  issuingKeyPem: string;
  /** The subject and the extensions of the CSR, for so many days. */
  sign(csrPem: string, days: number): string;
  /** The common name and the extensions of the CSR, until this second. */
  signUntil(csrPem: string, end: Date): string;
  /** PEM blocks as PKCS#7. */
  pkcs7(pem: string, form: 'PEM' | 'DER'): Buffer;
  /** Throws unless openssl accepts the chain (leaf first) below the root. */
  verify(chainPem: readonly string[]): void;
  close(): void;
}

/** Of `openssl ca`, the one command of OpenSSL 3.0 that takes a date for the end. */
const configuration = `
[ca]
default_ca = signing
[signing]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = subject
copy_extensions = copy
[subject]
commonName = optional
`;

export function startSigningCa(): SigningCa {
  const folder = mkdtempSync(join(tmpdir(), 'signing-ca-'));
  const at = (name: string): string => join(folder, name);
  const ca = (name: string, issuer?: string): string => {
    const made = ['req', '-x509', '-days', '3650', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const signed = issuer ? ['-CA', at(`${issuer}.pem`), '-CAkey', at(`${issuer}.key`)] : [];
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    openssl([
      ...made,
      '-subj',
      `/CN=Stand-in ${name}`,
      ...usage,
      ...signed,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.pem`),
    ]);
    return openssl(['x509', '-in', at(`${name}.pem`)]);
  };
  const rootPem = ca('root');
  const issuingPem = ca('issuing', 'root');
  return {
    rootPem,
    issuingPem,
    issuingKeyPem: readFileSync(at('issuing.key'), 'utf8'),
    sign: (csrPem, days) => {
      const by = ['-CA', at('issuing.pem'), '-CAkey', at('issuing.key'), '-copy_extensions', 'copy'];
      return openssl(['x509', '-req', '-days', String(days), ...by], csrPem);
    },
    signUntil: (csrPem, end) => {
      writeFileSync(at('ca.cnf'), configuration);
      writeFileSync(at('index.txt'), '');
      writeFileSync(at('csr.pem'), csrPem);
      const endDate = `${end.toISOString().replaceAll(/[-:T]|\.\d+Z/g, '')}Z`;
      const by = ['-cert', at('issuing.pem'), '-keyfile', at('issuing.key'), '-config', at('ca.cnf')];
      return openssl(['ca', '-batch', '-notext', ...by, '-enddate', endDate, '-in', at('csr.pem')], '', folder);
    },
    pkcs7: (pem, form) => {
      writeFileSync(at('in.pem'), pem);
      const text = openssl(['crl2pkcs7', '-nocrl', '-certfile', at('in.pem')]);
      return form === 'PEM' ? Buffer.from(text) : Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    },
    verify: ([leafPem = '', ...issuers]) => {
      writeFileSync(at('root.trust'), rootPem);
      writeFileSync(at('issuers'), issuers.join(''));
      openssl(['verify', '-x509_strict', '-CAfile', at('root.trust'), '-untrusted', at('issuers')], leafPem);
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const agents = new GuardedAgents(loadConfig({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1,localhost' }));

/** A context whose way out is that of the program, with this machine allowed. */
export function networkContext(signal = new AbortController().signal): PluginContext {
  const context = pluginContext({}, signal);
  return {
    ...context,
    now: () => new Date(),
    site: {
      ...context.site,
      fetch: (url, request) => guardedFetch(agents, url, { ...request, signal }),
      connect: (host, port, stop) => agents.connect(host, port, stop),
    },
  };
}

/** A request for a new P-256 key, with what `save` stored of it in `saved`. */
export interface Asked {
  order: OrderRequest;
  saved: string[];
}

/**
 * `names` with an @ are e-mail addresses, those with a space none, the others DNS names; the first is the common name.
 */
export async function requestFor(
  names: readonly string[],
  { days = 90, ca, idempotencyKey = 'key-1' }: { days?: number; ca?: SigningCa; idempotencyKey?: string } = {},
): Promise<Asked> {
  const key = await generatePrivateKey('ECCPRIME256V1');
  const now = Date.now();
  const terms: CertificateTerms = {
    subject: { commonName: names[0] ?? '' },
    subjectAltNames: names
      .filter((value) => !value.includes(' '))
      .map((value): SubjectAltName => ({ type: value.includes('@') ? 'email' : 'dns', value })),
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [],
    extensions: [],
    notBefore: new Date(now),
    notAfter: new Date(now + days * 24 * 60 * 60 * 1000),
  };
  const saved: string[] = [];
  const csrPem = await buildCsr(terms, key);
  const spkiDer = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const authority = { cacheKey: 'a', certificatePem: ca?.issuingPem ?? '', chainPem: ca ? [ca.rootPem] : [] };
  const save = async (state: string): Promise<void> => {
    saved.push(state);
  };
  return { saved, order: { ...noKeeping, request: { csrPem, spkiDer, terms, idempotencyKey }, authority, save } };
}
