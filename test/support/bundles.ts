import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options, OptionSchema } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Found, SourcePlugin } from '../../src/plugin-api/source.js';
import type { Site } from '../../src/plugin-api/site.js';
import { execFileSync } from './sync-programs.js';

/** A root and an issuing CA below it, made by openssl, from which leaves for deliveries come. */
export interface TestAuthority {
  rootPem: string;
  /** A new key and certificate each time; `chainPem` is leaf and issuing CA, without the root. */
  issue(commonName: string): Required<Omit<Bundle, 'rootPem'>>;
  close(): void;
}

export function startTestAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'test-authority-'));
  const at = (name: string): string => join(folder, name);
  let made = 0;
  const certify = (file: string, commonName: string, issuer: string | null): string => {
    writeFileSync(
      at('cnf'),
      `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=${commonName}\n[v3]\n` +
        `basicConstraints=critical,CA:${file.startsWith('leaf') ? 'FALSE' : 'TRUE'}\n`,
    );
    openssl([
      'req',
      '-x509',
      '-config',
      at('cnf'),
      '-extensions',
      'v3',
      '-days',
      '30',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      at(`${file}.key`),
      '-out',
      at(`${file}.pem`),
      ...(issuer === null ? [] : ['-CA', at(`${issuer}.pem`), '-CAkey', at(`${issuer}.key`)]),
    ]);
    return readFileSync(at(`${file}.pem`), 'utf8');
  };
  const rootPem = certify('root', 'Test Root', null);
  const issuingPem = certify('issuing', 'Test Issuing', 'root');
  const issue = (commonName: string): Required<Omit<Bundle, 'rootPem'>> => {
    const file = `leaf-${++made}`;
    const leafPem = certify(file, commonName, 'issuing');
    return {
      name: `${commonName}-${made}`,
      commonName,
      serialHex: new X509Certificate(leafPem).serialNumber.toLowerCase(),
      chainPem: [leafPem, issuingPem],
      privateKeyPem: readFileSync(at(`${file}.key`), 'utf8'),
    };
  };
  return { rootPem, issue, close: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A context whose site offers only what a test gives it; anything else a plugin asks of it fails. */
export function pluginContext(site: Partial<Site> = {}, signal = new AbortController().signal): PluginContext {
  const whole = { tokenFor: () => Promise.resolve(null), ...site } as Site;
  return { signal, now: () => new Date('2026-03-04T05:06:07Z'), log: () => undefined, site: whole };
}

/** Runs openssl and gives what it printed; throws with its own words when it fails. */
export function openssl(args: readonly string[], input?: string, cwd?: string): string {
  return execFileSync('openssl', args, { encoding: 'utf8', input, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Everything that a source reports in its first scan, positions apart. */
export async function scanned<S extends OptionSchema>(
  source: SourcePlugin<S>,
  options: Options<S>,
  ctx: PluginContext,
): Promise<Found[]> {
  const finds: Found[] = [];
  for await (const found of source.scan(options, ctx, null)) if (found.kind !== 'position') finds.push(found);
  return finds;
}
