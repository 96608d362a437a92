import { connect, createServer } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openssl } from './bundles.js';
import { runOn } from './x509.js';

export const dayMs = 86_400_000;

/** `days` from now as requests write it, without fractions of a second. */
export function inDays(days: number, from = new Date()): string {
  return `${new Date(from.getTime() + days * dayMs).toISOString().slice(0, 19)}Z`;
}

/** A key and a CSR made by `openssl req`; `args` are further arguments such as `-addext`. */
export function opensslCsr(
  subject: string,
  args: readonly string[] = [],
  newKey = 'rsa:2048',
): { keyPem: string; csrPem: string } {
  const folder = mkdtempSync(join(tmpdir(), 'csr-'));
  const at = (name: string): string => join(folder, name);
  try {
    const key = newKey === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : [newKey];
    openssl([
      'req',
      '-new',
      '-newkey',
      ...key,
      '-nodes',
      '-subj',
      subject,
      '-keyout',
      at('key'),
      '-out',
      at('csr'),
      ...args,
    ]);
    return { keyPem: readFileSync(at('key'), 'utf8'), csrPem: readFileSync(at('csr'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What `openssl verify -x509_strict` says of a certificate with its chain; throws when it says no. */
export function opensslVerify(rootPem: string, { body, chain }: { body: string; chain: string }): string {
  return runOn(
    { 'root.pem': rootPem, 'chain.pem': chain || rootPem, 'leaf.pem': body },
    'openssl',
    'verify',
    '-x509_strict',
    '-purpose',
    'any',
    '-CAfile',
    'root.pem',
    '-untrusted',
    'chain.pem',
    'leaf.pem',
  );
}

/** What `openssl x509 -text` shows of a certificate. */
export function opensslText(pem: string): string {
  return openssl(['x509', '-noout', '-text'], pem);
}

/**
 * The certificate that a TLS client which trusts `rootPem` alone accepts from a real server. Throws when it does not.
 */
export async function shakeHands(
  server: { key: string; cert: string },
  rootPem: string,
  servername: string,
): Promise<X509Certificate> {
  const listener = createServer(server, (socket) => socket.end()).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect({
    port: (listener.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername,
    ca: rootPem,
  });
  try {
    await once(client, 'secureConnect');
    const peer = client.getPeerX509Certificate();
    if (!client.authorized || !peer) throw new Error('The client did not accept the server.');
    return peer;
  } finally {
    client.destroy();
    listener.close();
  }
}
