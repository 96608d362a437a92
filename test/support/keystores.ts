import { createPrivateKey } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bundle, Exported } from '../../src/plugin-api/export.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Site } from '../../src/plugin-api/site.js';
import { execFileSync, spawnSync } from './sync-programs.js';

/** True when Java's keytool can be run; says so once when it cannot. */
export const hasKeytool = (() => {
  const found = spawnSync('keytool', ['-help']).status === 0;
  if (!found) console.warn('keytool is not installed: the checks with Java are skipped');
  return found;
})();

/** The moment that `exportContext` takes for now. */
export const NOW = new Date('2026-03-04T05:06:07Z');

/** A context for exports, which use nothing but the time. */
export const exportContext: PluginContext = {
  signal: new AbortController().signal,
  now: () => NOW,
  log: () => undefined,
  site: {} as Site,
};

/** Arguments of `openssl genpkey` for each type of leaf key. */
export const KEY_TYPES = {
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ed25519: ['-algorithm', 'ED25519'],
} as const;
export type KeyType = keyof typeof KEY_TYPES;

/** A leaf of the given key type below an intermediate below a root, all made by openssl in `folder`. */
export function makeBundle(folder: string, keyType: KeyType): Required<Omit<Bundle, 'rootPem'>> {
  const at = (name: string) => join(folder, `${keyType}-${name}`);
  const newKey = (name: string, type: KeyType) => openssl(['genpkey', ...KEY_TYPES[type], '-out', at(`${name}.key`)]);
  const issue = (name: string, issuer: string, ca: boolean) => {
    writeFileSync(
      at(`${name}.ext`),
      `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}\nsubjectKeyIdentifier=hash\n`,
    );
    openssl(['req', '-new', '-key', at(`${name}.key`), '-subj', `/CN=${name}.Example.test`, '-out', at(`${name}.csr`)]);
    openssl([
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      '-days',
      '30',
      '-extfile',
      at(`${name}.ext`),
      '-out',
      at(`${name}.pem`),
      ...(issuer === name
        ? ['-signkey', at(`${name}.key`)]
        : ['-CA', at(`${issuer}.pem`), '-CAkey', at(`${issuer}.key`), '-CAcreateserial']),
    ]);
  };
  newKey('root', 'ec');
  newKey('issuing', 'ec');
  newKey('leaf', keyType);
  issue('root', 'root', true);
  issue('issuing', 'root', true);
  issue('leaf', 'issuing', false);
  const chainPem = ['leaf', 'issuing', 'root'].map((name) => readFileSync(at(`${name}.pem`), 'utf8'));
  return {
    name: `leaf-${keyType}`,
    commonName: 'leaf.Example.test',
    serialHex: '01',
    chainPem,
    privateKeyPem: readFileSync(at('leaf.key'), 'utf8'),
  };
}

/** Runs openssl and gives what it printed; throws when it fails. `PASS` is in its environment for `env:PASS`. */
export function openssl(args: readonly string[], pass = ''): string {
  return execFileSync('openssl', args, {
    encoding: 'utf8',
    env: { ...process.env, PASS: pass },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/**
 * Runs keytool in English and gives what it printed; throws when it fails. `PASS` is in its environment for `:env
 * PASS`.
 */
export function keytool(args: readonly string[], pass: string): string {
  const options = ['-J-XX:TieredStopAtLevel=1', '-J-XX:+UseSerialGC', '-J-Duser.language=en', '-J-Duser.timezone=UTC'];
  return execFileSync('keytool', [...args, ...options], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8', PASS: pass },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Writes the only file of an export into `folder` and returns its path. */
export function saved(folder: string, exported: Exported): string {
  const [file, ...more] = exported.files;
  if (!file || more.length > 0) throw new Error('An export makes exactly one file');
  const path = join(folder, file.name);
  writeFileSync(path, file.bytes, { mode: file.mode });
  return path;
}

/**
 * The certificates in a text in their order, as PEM without anything around or inside that may differ between tools.
 */
export function certificatesIn(text: string): string[] {
  return (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) =>
    pem.replace(/\s+/g, ''),
  );
}

/** The aliases in what keytool listed, sorted. */
export function aliasesIn(listed: string): string[] {
  return [...listed.matchAll(/Alias name: (.+)/g)].map(([, alias]) => alias ?? '').sort();
}

/** The first private key in a text as unencrypted PKCS#8, base64. */
export function keyIn(text: string, passphrase?: string): string {
  const [pem] = text.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/) ?? [];
  if (!pem) throw new Error('No private key');
  return createPrivateKey({ key: pem, passphrase }).export({ type: 'pkcs8', format: 'der' }).toString('base64');
}

/** What keytool lists, `-rfc` for the certificates themselves or `-v` for everything readable. */
export function listStore(path: string, pass: string, form: '-rfc' | '-v' = '-rfc'): string {
  return keytool(['-list', form, '-keystore', path, '-storepass:env', 'PASS'], pass);
}

/**
 * The key that Java finds in a store, having decrypted it: copied by keytool into a PKCS#12 file that openssl then
 * opens.
 */
export function keyByJava(path: string, pass: string): string {
  const copy = `${path}.copy.p12`;
  rmSync(copy, { force: true });
  keytool(
    [
      '-importkeystore',
      '-noprompt',
      '-srckeystore',
      path,
      '-srcstorepass:env',
      'PASS',
      '-destkeystore',
      copy,
      '-deststoretype',
      'PKCS12',
      '-deststorepass:env',
      'PASS',
    ],
    pass,
  );
  return keyIn(openssl(['pkcs12', '-in', copy, '-nocerts', '-noenc', '-passin', 'env:PASS'], pass));
}
