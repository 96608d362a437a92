import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cfssl } from '../../plugins/cfssl/cfssl.issuer.js';
import { openssl } from '../support/bundles.js';
import { failureOf } from '../support/issuer-faults.js';
import { noMemory } from '../support/issuer-requests.js';
import { describeLive } from '../support/live.js';
import { canRun, type LiveProgram, startLiveProgram } from '../support/live-program.js';
import { consoleCommands, document, expectFollowed, runCommand, sectionOf } from '../support/page-commands.js';
import { startProgram } from '../support/program.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../support/signing-ca.js';

const program = process.env.CFSSL ?? 'cfssl';
const hmacKey = '00112233445566778899aabbccddeeff';
const profile = { usages: ['signing', 'key encipherment', 'server auth'], expiry: '720h', auth_key: 'main' };
const settings = {
  signing: { default: profile, profiles: { short: { ...profile, expiry: '24h' } } },
  auth_keys: { main: { type: 'standard', key: hmacKey } },
};
/** The tables of CFSSL's certdb. */
const tables = `
  create table certificates (serial_number blob not null, authority_key_identifier blob not null, ca_label blob,
    status blob not null, reason int, expiry timestamp, revoked_at timestamp, pem blob not null, issued_at timestamp,
    not_before timestamp, metadata text, sans text, common_name text,
    primary key (serial_number, authority_key_identifier));
  create table ocsp_responses (serial_number blob not null, authority_key_identifier blob not null,
    body blob not null, expiry timestamp, primary key (serial_number, authority_key_identifier));`;

async function isUp(port: number): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/api/v1/cfssl/info`;
  return (await fetch(url, { method: 'POST', body: '{"label":""}' })).ok;
}

function missing(): string | undefined {
  if (!canRun(program, ['version']))
    return 'no program cfssl: go install github.com/cloudflare/cfssl/cmd/cfssl@v1.6.5, then set CFSSL to its path.';
  return canRun('sqlite3', ['-version']) ? undefined : 'no program sqlite3: install the Debian package sqlite3.';
}

describeLive('cfssl-issuer with a real CFSSL server', missing(), () => {
  let folder: string;
  let ca: SigningCa;
  let server: LiveProgram;
  const optionsWith = (changed: object = {}) =>
    cfssl.options.parse({ url: `http://127.0.0.1:${server.port}`, hmacKey, ...changed });
  const ask = () => requestFor(['www.example.com', 'example.com'], { ca });
  const ordered = async (changed: object = {}): Promise<readonly string[]> => {
    const outcome = await cfssl.order((await ask()).order, optionsWith(changed), networkContext());
    return outcome.status === 'issued' ? outcome.chainPem : [];
  };
  const database = (sql: string): string =>
    execFileSync('sqlite3', [join(folder, 'db')], { input: sql, encoding: 'utf8' });

  beforeAll(async () => {
    ca = startSigningCa();
    folder = mkdtempSync(join(tmpdir(), 'live-cfssl-'));
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    database(tables);
    const files = [
      ['-ca', file('ca.pem', ca.issuingPem)],
      ['-ca-key', file('ca.key', ca.issuingKeyPem)],
      ['-config', file('config.json', JSON.stringify(settings))],
      ['-db-config', file('db.json', JSON.stringify({ driver: 'sqlite3', data_source: join(folder, 'db') }))],
    ].flat();
    const args = (port: number): string[] => ['serve', '-address', '127.0.0.1', '-port', String(port), ...files];
    server = await startLiveProgram(program, args, isUp, { cwd: folder });
  });
  afterAll(async () => {
    await server?.stop();
    ca.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('issues a certificate that openssl verifies, with the names that were asked for', async () => {
    const chainPem = await ordered();
    expect(chainPem).toHaveLength(2);
    ca.verify(chainPem);
    const { subjectAltName, subject } = new X509Certificate(chainPem[0] ?? '');
    expect([subjectAltName, subject]).toEqual(['DNS:www.example.com, DNS:example.com', 'CN=www.example.com']);
  });

  it('issues by its page, as it is written but for the port', async () => {
    const at = join(folder, 'page');
    mkdirSync(at);
    const page = document('docs/issuers/cfssl.md');
    const setUp = consoleCommands(sectionOf(page, 'A CA for the example')).map(({ command }) => command);
    const serve = setUp.at(-1) ?? '';
    await runCommand(setUp.slice(0, -1).join('\n'), at);
    const env = { ...process.env, PATH: `${dirname(program)}:${process.env.PATH}` };
    const args = (port: number): string[] => ['-c', `exec ${serve.replace('8888', String(port))}`];
    const other = await startLiveProgram('bash', args, isUp, { cwd: at, env });
    const perennial = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
    await expectFollowed(consoleCommands(sectionOf(page, 'An example')), {
      program: perennial,
      folder: at,
      replaced: { '127.0.0.1:8888': `127.0.0.1:${other.port}` },
    }).finally(async () => {
      await perennial.stop();
      await other.stop();
    });
  }, 250_000);

  it('renews with a new key, by another profile', async () => {
    const [first = '', second = ''] = [(await ordered())[0], (await ordered({ profile: 'short' }))[0]];
    const keyOf = (pem: string): string => openssl(['x509', '-noout', '-pubkey'], pem);
    expect(keyOf(second)).not.toBe(keyOf(first));
    openssl(['x509', '-noout', '-checkend', '3600'], second);
    expect(() => openssl(['x509', '-noout', '-checkend', String(25 * 3600)], second)).toThrow();
  });

  it('revokes, again too, and the CRL of the server says so', async () => {
    const chainPem = await ordered();
    const request = { ...noMemory, chainPem, reason: 1 };
    await cfssl.revoke?.(request, optionsWith(), networkContext());
    await cfssl.revoke?.(request, optionsWith(), networkContext());
    const serial = BigInt(`0x${new X509Certificate(chainPem[0] ?? '').serialNumber}`).toString();
    expect(database(`select status, reason from certificates where serial_number = '${serial}'`)).toBe('revoked|1\n');
    const answer = await fetch(`http://127.0.0.1:${server.port}/api/v1/cfssl/crl`);
    const { result } = (await answer.json()) as { result: string };
    writeFileSync(join(folder, 'crl'), Buffer.from(result, 'base64'));
    const crl = openssl(['crl', '-inform', 'DER', '-in', join(folder, 'crl'), '-noout', '-text']);
    expect(crl.replace(/\s/g, '')).toContain(new X509Certificate(chainPem[0] ?? '').serialNumber);
  });

  it('names its CA, and passes the test of the connection', async () => {
    expect(await cfssl.describe?.(optionsWith(), networkContext())).toEqual({
      issuers: [{ chainPem: [expect.stringContaining(ca.issuingPem.trim())] }],
    });
    await cfssl.check?.(optionsWith(), networkContext());
    expect(database('select count(*) from certificates')).toBe('4\n');
  });

  it.each([
    ['a wrong HMAC key', { hmacKey: 'ff'.repeat(16) }, 'misconfigured'],
    ['no HMAC key', { hmacKey: undefined }, 'misconfigured'],
  ])('is refused with %s', async (_, changed, fault) => {
    const work = cfssl.order((await ask()).order, optionsWith(changed), networkContext());
    expect((await failureOf(work, [hmacKey])).fault).toBe(fault);
  });

  it('is refused to revoke a certificate that the server has not issued', async () => {
    const { order } = await ask();
    const leafPem = ca.sign(order.request.csrPem, 5);
    const work = cfssl.revoke?.({ ...noMemory, chainPem: [leafPem], reason: 0 }, optionsWith(), networkContext());
    expect((await failureOf(work ?? Promise.resolve())).fault).toBe('refused');
  });
});
