import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { describeLive } from '../support/live.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { opensslVerify } from '../support/requests.js';

/*
 * A Dogtag CA on this machine, with two profiles that keep the subjectAltName of the CSR (docs/issuers/dogtag.md):
 * DOGTAG_URL, DOGTAG_CREDS (a folder with ca.pem, agent.crt and agent.key), DOGTAG_PROFILE_MANUAL and
 * DOGTAG_PROFILE_AUTO. DOGTAG_CONTROL is a program that stops and starts the CA: `$DOGTAG_CONTROL stop`.
 */
const {
  DOGTAG_URL: url = 'https://localhost:8443',
  DOGTAG_CREDS: folder = '/var/tmp/dogtag/creds',
  DOGTAG_PROFILE_MANUAL: manual = 'tlsServerManual',
  DOGTAG_PROFILE_AUTO: auto = 'tlsServerAuto',
  DOGTAG_CONTROL: control,
} = process.env;
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

function missing(): string | undefined {
  if (!existsSync(join(folder, 'agent.key'))) return `there is no agent.key in ${folder} (set DOGTAG_CREDS)`;
  try {
    execFileSync('curl', ['-sf', '--max-time', '10', '--cacert', join(folder, 'ca.pem'), `${url}/ca/rest/info`]);
    return undefined;
  } catch {
    return `no Dogtag answers at ${url} (set DOGTAG_URL)`;
  }
}

const owner = 'pki@example.com';
/** Names are new in each run: the CA remembers. */
const run = Date.now().toString(36);
const nameOf = (word: string): string => `${word}-${run}.example.test`;
const minutes = 60_000;

/** The agent's certificate and key as PKCS#12, in base64. */
function agentPkcs12(passphrase: string): string {
  const files = ['-in', join(folder, 'agent.crt'), '-inkey', join(folder, 'agent.key')];
  return execFileSync('openssl', ['pkcs12', '-export', ...files, '-passout', `pass:${passphrase}`]).toString('base64');
}

describeLive('a real Dogtag CA', missing(), () => {
  let program: TestProgram;
  const authorities = new Map<string, number>();

  beforeAll(async () => {
    program = await startProgram({ ALLOWED_PRIVATE_HOSTS: 'localhost,127.0.0.1' });
    const plugin = {
      id: 'dogtag',
      options: {
        url,
        caCertificates: read('ca.pem'),
        clientCertificate: read('agent.crt'),
        clientKey: read('agent.key'),
      },
    };
    const kinds: Record<string, object> = {
      manual: { profile: manual },
      auto: { profile: auto },
      approving: { profile: manual, autoApprove: true, requestorName: 'Perennial' },
      stock: { profile: 'caServerCert' },
      pkcs12: {
        profile: auto,
        clientCertificate: undefined,
        clientKey: undefined,
        clientPkcs12: agentPkcs12('Live-Pkcs12-1'),
        clientPkcs12Password: 'Live-Pkcs12-1',
      },
    };
    for (const [name, more] of Object.entries(kinds)) {
      const body = { name, owner, plugin: { ...plugin, options: { ...plugin.options, ...more } } };
      authorities.set(name, (await program.ok('POST', '/authorities', body)).id);
    }
  });
  afterAll(() => program.stop());

  const order = (authority: string, word: string): Promise<Json> =>
    program.ok('POST', '/certificates', {
      owner,
      commonName: nameOf(word),
      keyType: 'RSA2048',
      authority: { name: authority },
      extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: `alt.${nameOf(word)}` }] } },
    });
  const certificate = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
  const issued = (id: number): Promise<Json> =>
    eventually(async () => {
      const one = await certificate(id);
      return one.lifecycle === 'issued' && one;
    }, 2 * minutes);
  const pending = (id: number): Promise<Json> =>
    eventually(async () => {
      const one = await program.ok('GET', `/pending_certificates/${id}`);
      return one.status !== undefined && (await certificate(id)).lifecycle === 'pending' && one;
    }, 2 * minutes);
  const atCa = (path: string, method = 'GET', body?: object): Promise<Json> =>
    program.ok(method, `/authorities/${authorities.get('manual')}/${path}`, body);
  /** The newest open request of a common name. */
  const requestOf = async (commonName: string): Promise<string> => {
    for (let after = ''; ;) {
      const { items, next } = await atCa(`requests?state=pending&count=100${after}`);
      for (const { id } of items.reverse()) {
        const { policies } = await atCa(`requests/${id}`);
        if (JSON.stringify(policies).includes(commonName)) return id;
      }
      if (next === null) throw new Error(`There is no request for ${commonName}.`);
      after = `&after=${next}`;
    }
  };
  const statusOf = async ({ serial }: Json): Promise<string> =>
    (await atCa(`certificates?serial=${serial}`)).items[0].status;

  it('tells its certificate, and passes the test of the connection', async () => {
    const issuers = (await program.ok('GET', `/authorities/${authorities.get('manual')}/issuers`)).items;
    expect(issuers.map(({ body }: Json) => body)).toEqual([read('ca.pem').replaceAll('\r', '')]);
  });

  it('issues at once, with SANs and the chain, as openssl verifies it', async () => {
    const one = await issued((await order('auto', 'auto')).id);
    expect(opensslVerify(read('ca.pem'), one)).toContain('OK');
    const names = one.extensions.subAltNames.names.map(({ value }: Json) => value).sort();
    expect(names).toEqual([`alt.${nameOf('auto')}`, nameOf('auto')].sort());
  });

  it('issues to an agent who signs in by PKCS#12', async () => {
    expect(await issued((await order('pkcs12', 'pkcs12')).id)).toMatchObject({ lifecycle: 'issued' });
  });

  it('issues by our own approval', async () => {
    expect(await issued((await order('approving', 'approving')).id)).toMatchObject({ lifecycle: 'issued' });
  });

  it('issues once an agent has looked at the request, changed it and approved it', async () => {
    const { id } = await order('manual', 'manual');
    await pending(id);
    const request = await requestOf(nameOf('manual'));
    await atCa(`requests/${request}`, 'PUT', { action: 'assign' });
    await atCa(`requests/${request}`, 'PUT', { action: 'validate' });
    const { policies } = await atCa(`requests/${request}`);
    const [notAfter] = policies.flatMap(({ values }: Json) => values).filter(({ name }: Json) => name === 'notAfter');
    const earlier = `${String(new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10))} 00:00:00`;
    expect(notAfter.value > earlier).toBe(true);
    await atCa(`requests/${request}`, 'PUT', { action: 'update', values: { notAfter: earlier } });
    expect(await atCa(`requests/${request}`, 'PUT', { action: 'approve', note: 'Known.' })).toMatchObject({
      state: 'issued',
    });
    const one = await issued(id);
    expect(one.validityEnd.slice(0, 10)).toBe(earlier.slice(0, 10));
  });

  it('ends an order that an agent rejects, and cancels one that nobody wants any more', async () => {
    const [rejected, cancelled] = [await order('manual', 'rejected'), await order('manual', 'cancelled')];
    await pending(rejected.id);
    await pending(cancelled.id);
    await atCa(`requests/${await requestOf(nameOf('rejected'))}`, 'PUT', { action: 'reject' });
    const open = await requestOf(nameOf('cancelled'));
    await program.ok('DELETE', `/pending_certificates/${cancelled.id}`, { note: 'No longer needed.' });
    await eventually(async () => (await atCa(`requests/${open}`)).state === 'cancelled', 2 * minutes);
    await eventually(async () => (await certificate(rejected.id)).lifecycle === 'failed', 2 * minutes);
  });

  it('is not asked under a profile that would drop names', async () => {
    const { id } = await order('stock', 'stock');
    const failed = await eventually(async () => {
      const one = await certificate(id);
      return one.lifecycle === 'failed' && one;
    }, minutes);
    expect(JSON.stringify(failed)).toContain('profile caServerCert leaves out');
  });

  it('revokes, and lists what it holds', async () => {
    const one = await issued((await order('auto', 'revoked')).id);
    expect(await statusOf(one)).toBe('valid');
    await program.ok('PUT', `/certificates/${one.id}/revoke`, { crlReason: 'superseded' });
    await eventually(async () => (await statusOf(one)) === 'revoked', 2 * minutes);
    const found = await atCa(`certificates?common_name=${nameOf('revoked')}&status=revoked`);
    expect(found.items).toMatchObject([{ reason: 4, serial: one.serial }]);
  });

  it('puts a certificate on hold and releases it, and revokes one that is on hold', async () => {
    const one = await issued((await order('auto', 'held')).id);
    const told = (status: string): Promise<boolean> =>
      eventually(async () => (await statusOf(one)) === status, 2 * minutes);
    for (let times = 0; times < 2; times += 1) {
      await program.ok('PUT', `/certificates/${one.id}/hold`, { comments: 'Being looked into.' });
      await told('held');
      expect((await certificate(one.id)).heldAt).not.toBeNull();
      if (times > 0) break;
      await program.ok('PUT', `/certificates/${one.id}/release`);
      await told('valid');
      expect((await certificate(one.id)).heldAt).toBeNull();
    }
    await program.ok('PUT', `/certificates/${one.id}/revoke`, { crlReason: 'keyCompromise' });
    await told('revoked');
    expect((await certificate(one.id)).heldAt).toBeNull();
  });

  it('shows, disables and enables a profile', async () => {
    expect(await atCa('profiles/caTPSCert')).toMatchObject({ enabled: true });
    expect(await atCa('profiles/caTPSCert', 'PUT', { enabled: false })).toMatchObject({ enabled: false });
    expect(await atCa('profiles/caTPSCert', 'PUT', { enabled: true })).toMatchObject({ enabled: true });
    expect((await atCa('profiles?count=50')).next).toBe('50');
  });

  it('is a source of certificates that others requested', async () => {
    const { id } = await program.ok('POST', '/sources', {
      label: 'dogtag',
      owner,
      active: false,
      plugin: { id: 'authority', options: { authority: 'manual' } },
    });
    const { body } = await program.call('POST', `/sources/${id}/sync`);
    const sync = await eventually(async () => {
      const { lastSync } = await program.ok('GET', `/sources/${id}`);
      return lastSync?.id === body.id && lastSync.finishedAt !== null && lastSync;
    }, 5 * minutes);
    expect(sync).toMatchObject({ state: 'done', troubles: 0 });
    expect(sync.imported).toBeGreaterThan(3);
  });

  it.skipIf(control === undefined)('is restarted while an order waits, and the order goes on', async () => {
    const { id } = await order('manual', 'restart');
    await pending(id);
    execFileSync(control ?? '', ['stop'], { stdio: 'ignore' });
    program.clock.advance(2 * minutes);
    await eventually(async () => (await certificate(id)).order?.fault === 'unavailable', 3 * minutes);
    execFileSync(control ?? '', ['start'], { stdio: 'ignore' });
    await atCa(`requests/${await requestOf(nameOf('restart'))}`, 'PUT', { action: 'approve' });
    program.clock.advance(30 * minutes);
    expect(await issued(id)).toMatchObject({ lifecycle: 'issued' });
  });
});
