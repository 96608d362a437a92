import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { vaultPki } from '../../plugins/vault/vault-pki.issuer.js';
import { openssl } from '../support/bundles.js';
import { failureOf } from '../support/issuer-faults.js';
import { noMemory } from '../support/issuer-requests.js';
import { describeLive } from '../support/live.js';
import { type LiveProgram, startLiveProgram } from '../support/live-program.js';
import { devServer, missingVault, vaultProgram } from '../support/live-vault.js';
import { networkContext, requestFor } from '../support/signing-ca.js';

const rootToken = 'live-root-token';
/** The policy of the manual, and what the suite signs with beside the role `web`. */
const [, manual = ''] = /```ini\n([^`]+)```/.exec(readFileSync('docs/issuers/vault-pki.md', 'utf8')) ?? [];
const others = ['sign/parameters', 'sign/unkept', 'issuer/default/sign-verbatim'];
const policy = `${manual}\n${others.map((path) => `path "pki/${path}" { capabilities = ["update"] }`).join('\n')}`;

interface Answer {
  data: Record<string, string>;
  auth: { client_token: string };
}

describeLive('vault-pki with a real OpenBao or Vault', missingVault(), () => {
  let folder: string;
  let rootPem: string;
  let server: LiveProgram;
  let account: { roleId: string; secretId: string };

  const call = async (path: string, body?: object, method = 'POST'): Promise<Answer> => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/v1/${path}`, {
      method: body ? method : 'GET',
      headers: { 'x-vault-token': rootToken },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as Answer;
  };
  const optionsWith = (changed: object = {}) =>
    vaultPki.options.parse({ url: `http://127.0.0.1:${server.port}`, role: 'web', ...account, ...changed });
  const byToken = (token: string, changed: object = {}) =>
    optionsWith({ roleId: undefined, secretId: undefined, token, ...changed });
  const ask = async (names = ['www.example.com', 'example.com']) => {
    const { order } = await requestFor(names, { days: 30 });
    return { order: { ...order, authority: { ...order.authority, certificatePem: rootPem } } };
  };
  const ordered = async (chosen = optionsWith(), names?: string[]) => {
    const { order } = await ask(names);
    const outcome = await vaultPki.order(order, chosen, networkContext());
    if (outcome.status !== 'issued') throw new Error('It is not issued.');
    return { order, ...outcome };
  };
  const verify = (chainPem: readonly string[]): void => {
    writeFileSync(join(folder, 'root.pem'), rootPem);
    writeFileSync(join(folder, 'issuers.pem'), chainPem.slice(1).join('\n'));
    const given = ['-CAfile', join(folder, 'root.pem'), '-untrusted', join(folder, 'issuers.pem')];
    openssl(['verify', ...given], chainPem[0]);
  };

  const makeEngine = async (): Promise<void> => {
    const ca = { key_type: 'ec', key_bits: 256 };
    for (const mount of ['root', 'pki'])
      await call(`sys/mounts/${mount}`, { type: 'pki', config: { max_lease_ttl: '87600h' } });
    const root = await call('root/root/generate/internal', { ...ca, common_name: 'Live Root', ttl: '80000h' });
    rootPem = root.data.certificate ?? '';
    const { csr } = (await call('pki/intermediate/generate/internal', { ...ca, common_name: 'Live Issuing' })).data;
    const signed = await call('root/root/sign-intermediate', { csr, common_name: 'Live Issuing', ttl: '70000h' });
    await call('pki/intermediate/set-signed', { certificate: `${signed.data.certificate}\n${rootPem}` });
    const role = { allowed_domains: 'example.com', allow_subdomains: true, allow_bare_domains: true, key_type: 'any' };
    await call('pki/roles/web', { ...role, max_ttl: '1440h' });
    await call('pki/roles/parameters', { ...role, use_csr_sans: false, use_csr_common_name: false });
    await call('pki/roles/unkept', { ...role, no_store: true });
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'live-vault-'));
    const isUp = async (port: number): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/v1/sys/health`)).ok;
    server = await startLiveProgram(vaultProgram, devServer(rootToken), isUp, { cwd: folder });
    await makeEngine();
    await call('sys/policies/acl/pki', { policy }, 'PUT');
    await call('sys/auth/approle', { type: 'approle' });
    await call('auth/approle/role/web', { token_policies: 'pki', token_ttl: '10m' });
    const { role_id: roleId = '' } = (await call('auth/approle/role/web/role-id')).data;
    const { secret_id: secretId = '' } = (await call('auth/approle/role/web/secret-id', {})).data;
    account = { roleId, secretId };
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('issues a certificate that openssl verifies, with the names and within the end that were asked for', async () => {
    const { chainPem, order } = await ordered();
    expect(chainPem).toHaveLength(2);
    verify(chainPem);
    const { subjectAltName, subject, validTo } = new X509Certificate(chainPem[0] ?? '');
    expect([subjectAltName, subject]).toEqual(['DNS:www.example.com, DNS:example.com', 'CN=www.example.com']);
    const earlyMs = order.request.terms.notAfter.getTime() - Date.parse(validTo);
    expect(earlyMs).toBeGreaterThanOrEqual(0);
    expect(earlyMs).toBeLessThan(180_000);
  });

  it('gives the names to a role that does not take them from the CSR', async () => {
    const names = ['www.example.com', 'mail.example.com', 'a@example.com'];
    const { chainPem } = await ordered(optionsWith({ role: 'parameters' }), names);
    const sans = new X509Certificate(chainPem[0] ?? '').subjectAltName?.split(', ').sort();
    expect(sans).toEqual(['DNS:mail.example.com', 'DNS:www.example.com', 'email:a@example.com']);
  });

  it('signs verbatim by an issuer, with the key usage of the request', async () => {
    const { chainPem } = await ordered(optionsWith({ verbatim: true, role: undefined, issuer: 'default' }), [
      'a.example.org',
    ]);
    verify(chainPem);
    const text = openssl(['x509', '-noout', '-ext', 'keyUsage,subjectAltName'], chainPem[0]);
    expect(text).toMatch(/Key Usage:( critical)?\s+Digital Signature\s*$/m);
    expect(text).toContain('DNS:a.example.org');
  });

  it('renews with a new key', async () => {
    const [first, second] = [await ordered(), await ordered()];
    const keys = [first, second].map(({ chainPem }) => new X509Certificate(chainPem[0] ?? '').publicKey);
    expect(keys[0]?.equals(keys[1] as never)).toBe(false);
  });

  it('finds the certificate of a request whose answer was lost, and not the one before with this key', async () => {
    const { order, externalId } = await ordered();
    const at = (askedAt: number) => ({ ...order, state: JSON.stringify({ askedAt: new Date(askedAt) }) });
    const found = await vaultPki.find?.(at(Date.now()), optionsWith(), networkContext());
    expect(found).toMatchObject({ status: 'issued', externalId });
    verify(found?.status === 'issued' ? found.chainPem : []);
    expect(await vaultPki.find?.(at(Date.now() + 3_600_000), optionsWith(), networkContext())).toBeNull();
    const { order: other } = await ask();
    expect(await vaultPki.find?.({ ...at(0), request: other.request }, optionsWith(), networkContext())).toBeNull();
  });

  it.each(['web', 'unkept'])('revokes a certificate of role %s, again too, and the CRL says so', async (role) => {
    const { chainPem } = await ordered(optionsWith({ role }), ['gone.example.com']);
    for (let times = 0; times < 2; times += 1)
      await vaultPki.revoke?.({ ...noMemory, chainPem, reason: 1 }, optionsWith({ role }), networkContext());
    const answer = await fetch(`http://127.0.0.1:${server.port}/v1/pki/crl/pem`);
    const crl = openssl(['crl', '-noout', '-text'], await answer.text());
    expect(crl).toContain(new X509Certificate(chainPem[0] ?? '').serialNumber);
  });

  it('lists what the engine has kept, with the state of each', async () => {
    const { externalId } = await ordered(optionsWith(), ['listed.example.com']);
    const listed: string[] = [];
    for await (const one of vaultPki.list?.({ commonName: 'LISTED' }, optionsWith(), networkContext()) ?? [])
      listed.push(one.location);
    expect(listed).toEqual([externalId]);
    const states = new Set<string>();
    for await (const one of vaultPki.list?.({}, optionsWith(), networkContext()) ?? [])
      states.add(one.kind === 'certificate' ? one.status : one.detail);
    expect([...states].sort()).toEqual(['revoked', 'valid']);
  });

  it('names the issuer that has a key, and passes the test of the connection', async () => {
    const described = await vaultPki.describe?.(optionsWith(), networkContext());
    const subjects = described?.issuers.map(({ chainPem }) => chainPem.map((pem) => new X509Certificate(pem).subject));
    expect(subjects).toEqual([['CN=Live Issuing', 'CN=Live Root']]);
    await vaultPki.check?.(optionsWith(), networkContext());
  });

  it('keeps a token alive beyond its time by renewing it', async () => {
    const made = await call('auth/token/create', { policies: ['pki', 'default'], ttl: '4s', period: '4s' });
    const { client_token: token } = made.auth;
    for (let times = 0; times < 4; times += 1) {
      await vaultPki.describe?.(byToken(token), networkContext());
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
    await ordered(byToken(token));
  });

  it.each([
    ['a wrong secret ID', { secretId: 'wrong' }, 'misconfigured'],
    ['a role that does not exist', { role: 'nope' }, 'misconfigured'],
    ['an issuer that does not exist', { issuer: 'nope' }, 'misconfigured'],
    ['an engine that does not exist', { mount: 'nope' }, 'misconfigured'],
    ['a namespace that does not exist', { namespace: 'nope' }, 'misconfigured'],
  ])('is told of %s', async (_, changed, fault) => {
    const work = vaultPki.order((await ask()).order, optionsWith(changed), networkContext());
    expect((await failureOf(work, [account.secretId])).fault).toBe(fault);
    const checked = vaultPki.check?.(optionsWith(changed), networkContext()) ?? Promise.resolve();
    expect((await failureOf(checked, [account.secretId])).fault).toBe(fault);
  });

  it('is told of a token that is over, or may not sign, and of a name that the role does not allow', async () => {
    const made = await call('auth/token/create', { policies: ['default'] });
    for (const token of [made.auth.client_token, 's.nope']) {
      expect((await failureOf(ordered(byToken(token)), [token])).fault).toBe('misconfigured');
      const checked = vaultPki.check?.(byToken(token), networkContext()) ?? Promise.resolve();
      expect((await failureOf(checked, [token])).fault).toBe('misconfigured');
    }
    expect((await failureOf(ordered(optionsWith(), ['www.example.org']))).fault).toBe('refused');
  });

  it('is refused to revoke a certificate of another CA', async () => {
    const leafPem = openssl([
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=x',
      '-keyout',
      join(folder, 'x'),
    ]);
    const work = vaultPki.revoke?.({ ...noMemory, chainPem: [leafPem], reason: 0 }, optionsWith(), networkContext());
    expect((await failureOf(work ?? Promise.resolve())).fault).toBe('refused');
  });

  it('waits while the server is sealed', async () => {
    await call('sys/seal', {}, 'PUT');
    expect((await failureOf(ordered())).fault).toBe('unavailable');
  });
});
