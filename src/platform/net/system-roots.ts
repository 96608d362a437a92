import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';

/** Where Linux distributions and BSDs keep the CA certificates that they trust, as one PEM file. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

let roots: Promise<string> | undefined;

/**
 * The CA certificates that this system trusts, PEM: the bundle of the operating system, else the list of Mozilla in
 * Node.js. Read once.
 */
export function systemRoots(): Promise<string> {
  roots ??= readFirst(bundles);
  return roots;
}

async function readFirst([path, ...others]: readonly string[]): Promise<string> {
  if (path === undefined) return rootCertificates.join('\n');
  try {
    return await readFile(path, 'latin1');
  } catch {
    return readFirst(others);
  }
}
