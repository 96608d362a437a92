import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TaskReport } from '../../src/jobs/task-report.js';
import { OcspResponderSweep } from '../../src/revocation/ocsp/ocsp-responder-maker.js';
import { loadConfig } from '../../src/platform/config.js';
import { createLog } from '../../src/platform/log.js';
import { type Perennial, startPerennial } from '../../src/perennial.js';
import type { Json } from '../support/json.js';
import { type OcspClients, ocspClients } from '../support/ocsp-clients.js';
import { eventually, MovableClock, startProgram, type TestProgram } from '../support/program.js';
import { mutationsOf } from '../support/x509.js';

// Programs that are not ours, Java among them, start slowly on a busy machine.
const type = 'application/ocsp-response';
const asRequest = { 'content-type': 'application/ocsp-request' };

const dayMs = 86_400_000;
const settings = {
  PKI_URL: 'http://pki.example.net',
  PKI_REQUESTS_PER_SECOND: '0',
  ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
};

let program: TestProgram;
let clients: OcspClients;
let root: Json;
let sub: Json;

beforeAll(async () => {
  program = await startProgram(settings);
  clients = ocspClients();
  root = await makeCa('root');
  sub = await makeCa('sub', { type: 'subca', parent: { name: 'root' } });
});
afterAll(async () => {
  clients.close();
  await program.stop();
});

/** Also writes `<name>.pem`, the certificate of the CA. */
async function makeCa(name: string, more: object = {}): Promise<Json> {
  const made = await program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: name, ...more });
  clients.file(`${name}.pem`, made.authorityCertificate.body);
  return made;
}

/** Also writes `<name>.pem`. */
async function issue(name: string, authority = 'sub', more: object = {}): Promise<Json> {
  const names = { owner: 'joe@example.com', commonName: `${name}.example.com`, authority: { name: authority } };
  const made = await program.ok('POST', '/certificates', { ...names, validityDays: 90, ...more });
  clients.file(`${name}.pem`, made.body);
  return made;
}

/** Another process on the same database, whose clock is ahead. It has no periodic tasks. */
function startSecond(aheadMs = 0): Promise<Perennial> {
  const { database, dataDir } = program;
  const where = {
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    PERENNIAL_ROLE: 'api',
    LOG_LEVEL: 'silent',
  };
  const config = loadConfig({ ...settings, ...where });
  const clock = new MovableClock();
  clock.advance(aheadMs);
  return startPerennial(config, { log: createLog(config.logLevel), clock });
}

const revoke = ({ id }: Json, crlReason = 'keyCompromise'): Promise<Json> =>
  program.ok('PUT', `/certificates/${id}/revoke`, { crlReason });
/** The path of an authority's responder, as in its certificates. */
const pathOf = (authority: Json): string => new URL(authority.plugin.options.ocsp[0]).pathname;
const urlOf = (authority: Json): string => `${program.url}${pathOf(authority)}`;

/** OpenSSL asks about certificates of `sub`. It trusts the root alone, so it checks the delegation. */
const ask = (...args: readonly string[]): Promise<string> => askAt(urlOf(sub), 'sub.pem', ...args);
const askAt = (url: string, issuer: string, ...args: readonly string[]): Promise<string> =>
  clients.run(
    'openssl',
    'ocsp',
    '-url',
    url,
    '-CAfile',
    'root.pem',
    '-verify_other',
    'sub.pem',
    '-issuer',
    issuer,
    ...args,
  );
const post = (body: Buffer, url = urlOf(sub), headers: Record<string, string> = asRequest): Promise<Response> =>
  fetch(url, { method: 'POST', headers, body });

describe('the OCSP responder, asked by OpenSSL', () => {
  let other: string;
  beforeAll(async () => {
    await issue('good');
    await revoke(await issue('revoked'));
    other = BigInt((await issue('other', 'root')).serial).toString(16);
  });

  it.each([
    ['SHA-1 and a nonce', ['-nonce', '-sha1']],
    ['SHA-1 without a nonce', ['-no_nonce', '-sha1']],
    ['SHA-256 and a nonce', ['-nonce', '-sha256']],
    ['SHA-256 without a nonce', ['-no_nonce', '-sha256']],
    ['SHA-384', ['-sha384']],
    ['SHA-512', ['-sha512']],
  ])('says good, by %s', async (_, form) => {
    for (const round of ['signed now', 'signed before']) {
      const said = await ask(...form, '-cert', 'good.pem');
      expect(said, round).toContain('Response verify OK');
      expect(said, round).toContain('good.pem: good\n');
      if (form.includes('-nonce')) expect(said).not.toContain('no nonce');
    }
  });

  it('says revoked with the reason, and unknown for what it never issued, in one answer', async () => {
    // Another authority has issued the last one.
    const others = ['-cert', 'revoked.pem', '-serial', '0x4711', '-serial', `0x${other}`];
    const said = await ask('-cert', 'good.pem', ...others);
    expect(said).toContain('Response verify OK');
    expect(said).toContain('good.pem: good\n');
    expect(said).toMatch(/revoked\.pem: revoked\n[^:]*This Update[^]*Reason: keyCompromise/);
    expect(said).toContain('0x4711: unknown\n');
    expect(said).toContain(`0x${other}: unknown\n`);
  });

  it('says good of a certificate that was on hold, once it is released', async () => {
    const held = await issue('held');
    await program.ok('PUT', `/certificates/${held.id}/hold`, {});
    await eventually(async () => /held\.pem: revoked[^]*certificateHold/.test(await ask('-cert', 'held.pem')));
    await program.ok('PUT', `/certificates/${held.id}/release`, {});
    await eventually(async () => (await ask('-cert', 'held.pem')).includes('held.pem: good\n'));
  });

  it('says revoked at once, and not later than it answers, where the clock that revoked was ahead', async () => {
    const early = await issue('early');
    program.clock.advance(3_600_000);
    await revoke(early);
    program.clock.advance(-3_600_000);
    const said = await eventually(async () => {
      const answer = await ask('-no_nonce', '-cert', 'early.pem');
      return answer.includes('early.pem: revoked\n') && answer;
    });
    const timeOf = (label: string): number => Date.parse(RegExp(`${label}: (.*)`).exec(said)?.[1] ?? '');
    expect(timeOf('Revocation Time')).toBe(timeOf('This Update'));
  });

  it('answers for subordinate CAs and the root at the address of the root', async () => {
    const said = await askAt(urlOf(root), 'root.pem', '-cert', 'sub.pem', '-cert', 'root.pem', '-cert', 'other.pem');
    expect(said).toContain('Response verify OK');
    for (const name of ['sub', 'root', 'other']) expect(said).toContain(`${name}.pem: good\n`);
  });

  it('answers for what an authority signed before it was renewed with a new key, and after', async () => {
    const ca = await makeCa('rekeyed');
    await issue('before', 'rekeyed');
    await askAt(urlOf(ca), 'rekeyed.pem', '-cert', 'before.pem');
    await program.ok('POST', `/authorities/${ca.id}/renew`, { newKey: true });
    const renewed = await program.ok('GET', `/authorities/${ca.id}`);
    clients.file('renewed.pem', renewed.authorityCertificate.body);
    await issue('after', 'rekeyed');
    for (const [issuer, certificate] of [
      ['rekeyed', 'before'],
      ['renewed', 'after'],
    ]) {
      const asked = ['-CAfile', `${issuer}.pem`, '-issuer', `${issuer}.pem`, '-cert', `${certificate}.pem`];
      const said = await clients.run('openssl', 'ocsp', '-url', urlOf(ca), ...asked);
      expect(said).toContain('Response verify OK');
      expect(said).toContain(`${certificate}.pem: good\n`);
      // The root itself, by its own key.
      expect(await askAt(urlOf(ca), `${issuer}.pem`, '-cert', `${issuer}.pem`, '-noverify')).toContain(': good\n');
    }
  });

  it('refuses a request for certificates of another authority, and answers it at the common address', async () => {
    expect(await askAt(urlOf(root), 'sub.pem', '-cert', 'good.pem')).toContain('Responder Error: unauthorized (6)');
    expect(await askAt(`${program.url}/pki/ocsp/${'0'.repeat(20)}`, 'sub.pem', '-cert', 'good.pem')).toContain(
      'Responder Error: unauthorized (6)',
    );
    const said = await askAt(`${program.url}/pki/ocsp`, 'sub.pem', '-cert', 'good.pem');
    expect(said).toContain('Response verify OK');
    expect(said).toContain('good.pem: good\n');
  });

  it('names an archive cutoff for a certificate that has expired, and only then', async () => {
    await issue('short', 'root', { validityDays: 1 });
    const asked = ['-cert', 'short.pem', '-noverify', '-resp_text'];
    expect(await askAt(urlOf(root), 'root.pem', ...asked)).not.toContain('Archive Cutoff');
    const later = await startSecond(2 * dayMs);
    try {
      const said = await askAt(`${later.url}${pathOf(root)}`, 'root.pem', ...asked);
      expect(said).toContain('Archive Cutoff');
      expect(said).toContain('Cert Status: good');
    } finally {
      await later.stop();
    }
  });
});

describe('the OCSP responder over HTTP', () => {
  let request: Buffer;
  beforeAll(async () => {
    await issue('web');
    request = await clients.request('-issuer', 'sub.pem', '-no_nonce', '-cert', 'web.pem');
  });

  /** What OpenSSL reads in a response. */
  const read = async (response: Response): Promise<string> => {
    const file = clients.file('response.der', Buffer.from(await response.arrayBuffer()));
    const trusted = ['-CAfile', 'root.pem', '-verify_other', 'sub.pem'];
    return clients.run(
      'openssl',
      'ocsp',
      '-respin',
      file,
      ...trusted,
      '-issuer',
      'sub.pem',
      '-no_nonce',
      '-cert',
      'web.pem',
    );
  };

  /** A request whose base64 has a slash and a plus sign. */
  const awkward = async (): Promise<string> => {
    for (;;) {
      const der = await clients.request('-issuer', 'sub.pem', '-nonce', '-cert', 'web.pem');
      const base64 = der.toString('base64');
      if (/\/.*\+|\+.*\//.test(base64)) return base64;
    }
  };

  it('reads a request in a GET, percent-encoded wholly, in part or not at all', async () => {
    const base64 = await awkward();
    const forms = [base64, encodeURIComponent(base64), base64.replaceAll('=', '%3d'), base64.replace('/', '%2f')];
    for (const form of forms) {
      const response = await fetch(`${urlOf(sub)}/${form}`);
      expect([form, response.status, response.headers.get('content-type')]).toEqual([form, 200, type]);
      expect(await read(response)).toContain('web.pem: good\n');
    }
    expect(await read(await fetch(`${program.url}/pki/ocsp/${base64}`))).toContain('web.pem: good\n');
  });

  it('lets caches keep an answer without a nonce until nextUpdate, and names it by an entity tag', async () => {
    for (const answer of [await fetch(`${urlOf(sub)}/${request.toString('base64')}`), await post(request)]) {
      const { headers } = answer;
      const text = await clients.run(
        'openssl',
        'ocsp',
        '-respin',
        clients.file('r.der', Buffer.from(await answer.arrayBuffer())),
        '-noverify',
        '-resp_text',
      );
      const time = (name: string): number => Date.parse(new RegExp(`${name}: (.*)`).exec(text)?.[1] ?? '');
      expect(Date.parse(headers.get('last-modified') ?? '')).toBe(time('This Update'));
      expect(Date.parse(headers.get('expires') ?? '')).toBe(time('Next Update'));
      expect(time('Next Update') - time('This Update')).toBe(6 * 3_600_000);
      const maxAgeS = Number(/^public, max-age=(\d+), no-transform$/.exec(headers.get('cache-control') ?? '')?.[1]);
      expect(maxAgeS).toBeGreaterThan(3 * 3600);
      expect(maxAgeS).toBeLessThanOrEqual(6 * 3600);
      const known = { 'if-none-match': headers.get('etag') ?? '' };
      expect((await fetch(`${urlOf(sub)}/${request.toString('base64')}`, { headers: known })).status).toBe(304);
    }
  });

  it('answers HEAD as GET, and a request that does not announce its length', async () => {
    const got = await fetch(`${urlOf(sub)}/${request.toString('base64')}`);
    const head = await fetch(got.url, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag')]).toEqual([200, got.headers.get('etag')]);
    expect(await head.text()).toBe('');
    const body = new Blob([new Uint8Array(request)]).stream();
    const parts: RequestInit & { duplex: 'half' } = { method: 'POST', headers: asRequest, body, duplex: 'half' };
    const posted = await fetch(urlOf(sub), parts);
    expect([posted.status, posted.headers.get('etag')]).toEqual([200, got.headers.get('etag')]);
  });

  it('answers a request that it knows at the address of its authority and at the common one alone', async () => {
    const answers = async (url: string): Promise<Buffer[]> => {
      const bodyOf = async (): Promise<Buffer> => Buffer.from(await (await post(request, url)).arrayBuffer());
      return [await bodyOf(), await bodyOf()];
    };
    const [own] = await answers(urlOf(sub));
    expect(await answers(`${program.url}/pki/ocsp`)).toEqual([own, own]);
    for (const body of await answers(urlOf(root))) expect(body.toString('hex')).toBe('30030a0106');
    expect(await answers(urlOf(sub))).toEqual([own, own]);
  });

  it('lets no cache keep an answer with a nonce or about an unknown certificate', async () => {
    const nonce = await clients.request('-issuer', 'sub.pem', '-nonce', '-cert', 'web.pem');
    const unknown = await clients.request('-issuer', 'sub.pem', '-no_nonce', '-serial', '0x1234');
    for (const der of [nonce, unknown]) {
      const { headers } = await fetch(`${urlOf(sub)}/${encodeURIComponent(der.toString('base64'))}`);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('etag')).toBeNull();
    }
  });

  const malformed = Buffer.from('30030a0101', 'hex');

  it.each<[string, () => Promise<Response>]>([
    ['an empty body', () => post(Buffer.alloc(0))],
    ['text', () => post(Buffer.from('hello'))],
    ['octets behind a request', () => post(Buffer.concat([request, Buffer.from([0])]))],
    ['half a request', () => post(request.subarray(0, 40))],
    ['a body of 17 kB', () => post(Buffer.alloc(17 * 1024, 48))],
    ['another media type', () => post(request, urlOf(sub), { 'content-type': 'text/plain' })],
    ['no media type', () => post(request, urlOf(sub), {})],
    ['JSON', () => post(Buffer.from('{}'), urlOf(sub), { 'content-type': 'application/json' })],
    ['a GET without a request', () => fetch(urlOf(sub))],
    ['a GET without a request, with a slash', () => fetch(`${urlOf(sub)}/`)],
    ['a GET with bad base64', () => fetch(`${urlOf(sub)}/M!`)],
    ['a GET with a bad escape', () => fetch(`${urlOf(sub)}/M%zz`)],
    ['a GET with an escape of no text', () => fetch(`${urlOf(sub)}/M%ff`)],
    ['a long GET', () => fetch(`${urlOf(sub)}/${'M'.repeat(8000)}`)],
    ['a PUT', () => fetch(urlOf(sub), { method: 'PUT', headers: asRequest, body: request })],
    ['a POST below the address', () => post(request, `${urlOf(sub)}/x`)],
  ])('answers %s with an OCSP error that no cache keeps', async (what, send) => {
    const response = await send();
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect([response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([type, 'no-store']);
    const body = Buffer.from(await response.arrayBuffer());
    if (what === 'a POST below the address') expect(body.toString('hex')).toBe('30030a0106');
    else expect(body).toEqual(malformed);
  });

  it('answers damaged requests, and never with a fault of its own', async () => {
    await fc.assert(
      fc.asyncProperty(mutationsOf(request), async (damaged) => {
        const [posted, got] = await Promise.all([
          post(damaged),
          fetch(`${urlOf(sub)}/${encodeURIComponent(damaged.toString('base64'))}`),
        ]);
        expect([200, 400]).toContain(posted.status);
        expect(got.status).toBe(posted.status);
        for (const response of [posted, got]) expect(Buffer.from(await response.arrayBuffer())[0]).toBe(0x30);
      }),
      { numRuns: 150 },
    );
  });

  it('says try later when the state cannot be read', async () => {
    const { source } = program.database;
    await source.query('alter table revocation_version rename to gone');
    try {
      const response = await eventually(async () => {
        const answer = await post(request);
        return answer.status === 200 ? null : answer;
      });
      expect([response.status, response.headers.get('cache-control')]).toEqual([503, 'no-store']);
      expect(response.headers.get('retry-after')).toBe('10');
      expect(Buffer.from(await response.arrayBuffer()).toString('hex')).toBe('30030a0103');
    } finally {
      await source.query('alter table gone rename to revocation_version');
    }
    expect((await post(request)).status).toBe(200);
  });
});

describe('a revocation', () => {
  it('is seen by each process in every form in which the status was asked before', async () => {
    const second = await startSecond();
    try {
      const certificate = await issue('leaving');
      const forms = [['-sha1'], ['-sha256'], ['-sha384'], ['-sha512'], ['-sha1', '-nonce']];
      const askAll = (url: string): Promise<string[]> =>
        Promise.all(
          forms.map(([digest = '', nonce = '-no_nonce']) =>
            askAt(url, 'sub.pem', digest, nonce, '-cert', 'leaving.pem'),
          ),
        );
      const urls = [urlOf(sub), `${second.url}${pathOf(sub)}`];
      for (const url of urls) for (const said of await askAll(url)) expect(said).toContain('leaving.pem: good\n');
      await revoke(certificate, 'superseded');
      for (const url of urls) {
        await eventually(async () =>
          (await askAt(url, 'sub.pem', '-sha256', '-cert', 'leaving.pem')).includes('revoked'),
        );
        for (const said of await askAll(url)) expect(said).toMatch(/leaving\.pem: revoked\n[^]*Reason: superseded/);
      }
    } finally {
      await second.stop();
    }
  });
});

describe('the certificates of the responder', () => {
  const rows = (authority: Json): Promise<Json[]> =>
    program.database.source.query(
      'select *, sealed_key is not null as "hasKey" from ocsp_responder where authority_id = $1 order by id',
      [authority.id],
    );
  const asked = async (url: string, issuer: string): Promise<string> =>
    askAt(url, `${issuer}.pem`, '-serial', '0x99', '-noverify');

  it('is made once when two processes are asked at the same moment', async () => {
    const ca = await makeCa('shared');
    const second = await startSecond();
    try {
      const request = await clients.request('-issuer', 'shared.pem', '-no_nonce', '-serial', '0x99');
      const urls = [urlOf(ca), `${second.url}${pathOf(ca)}`];
      const statuses = await Promise.all(
        [...urls, ...urls, ...urls].map(async (url) => (await post(request, url)).status),
      );
      for (const status of statuses) expect([200, 503]).toContain(status);
      for (const url of urls) expect((await post(request, url)).status).toBe(200);
      expect(await rows(ca)).toHaveLength(1);
    } finally {
      await second.stop();
    }
  });

  it.each([
    ['RSA2048', /Public-Key: \(2048 bit\)/],
    ['ECCSECP384R1', /secp384r1/],
    ['ED25519', /ED25519/],
  ])('have a key of the kind of a CA with %s, few days, and what RFC 6960 demands', async (keyType, expected) => {
    const name = `of-${keyType.toLowerCase()}`;
    const ca = await makeCa(name, { keyType });
    clients.file('self.pem', ca.authorityCertificate.body);
    const said = await clients.run(
      'openssl',
      'ocsp',
      '-url',
      urlOf(ca),
      '-CAfile',
      'self.pem',
      '-issuer',
      'self.pem',
      '-cert',
      'self.pem',
    );
    expect(said).toContain('Response verify OK');
    expect(said).toContain('self.pem: good\n');
    const [row] = await rows(ca);
    clients.file('responder.pem', row.certificate_pem);
    const text = await clients.run('openssl', 'x509', '-in', 'responder.pem', '-noout', '-text');
    expect(text).toMatch(expected);
    for (const part of ['OCSP Signing', 'OCSP No Check', 'Digital Signature', 'CA:FALSE']) expect(text).toContain(part);
    expect(row.not_after.getTime() - row.not_before.getTime()).toBeLessThan(5 * dayMs);
    const checked = ['-x509_strict', '-purpose', 'ocsphelper', '-CAfile', 'self.pem', 'responder.pem'];
    expect(await clients.run('openssl', 'verify', ...checked)).toContain('responder.pem: OK');
  });

  it('are renewed at half their life, also of a disabled authority, and lose their key when they expire', async () => {
    const ca = await makeCa('renewed');
    await asked(urlOf(ca), 'renewed');
    await program.ok('PUT', `/authorities/${ca.id}`, { owner: ca.owner, active: false });
    const later = async (days: number): Promise<Json[]> => {
      const second = await startSecond(days * dayMs);
      try {
        await second.app
          .get(OcspResponderSweep, { strict: false })
          .sweep(new AbortController().signal, new TaskReport());
      } finally {
        await second.stop();
      }
      return rows(ca);
    };
    expect(await later(1)).toHaveLength(1);
    expect((await later(3)).map(({ hasKey }) => hasKey)).toEqual([true, true]);
    expect(await later(3)).toHaveLength(2);
    expect((await later(5)).map(({ hasKey }) => hasKey)).toEqual([false, true, true]);
  });

  it('go on signing while the key of the CA cannot be used, until they expire', async () => {
    const ca = await makeCa('lonely');
    await asked(urlOf(ca), 'lonely');
    await program.database.source.query(
      `update signing_key set sealed_key = (select sealed_key from signing_key order by id limit 1)
       where id = (select key_id from authority where id = $1)`,
      [ca.id],
    );
    const at = async (days: number): Promise<string> => {
      const second = await startSecond(days * dayMs);
      try {
        await second.app
          .get(OcspResponderSweep, { strict: false })
          .sweep(new AbortController().signal, new TaskReport());
        return await asked(`${second.url}${pathOf(ca)}`, 'lonely');
      } finally {
        await second.stop();
      }
    };
    expect(await at(3)).toMatch(/^unknown$/m);
    expect(await at(5)).toMatch(/503|trylater/i);
    expect(await rows(ca)).toHaveLength(1);
  });

  it('are recorded in the audit log', async () => {
    const { items } = await program.ok('GET', '/logs?filter=logType;authority.ocsp-responder-issued&count=100');
    const [{ serial_hex: serial }] = (await rows(sub)) as [Json];
    expect(items).toContainEqual(
      expect.objectContaining({ targetId: String(sub.id), after: expect.objectContaining({ serial }) }),
    );
  });
});

describe('other clients', () => {
  it.each(['good', 'revoked'])('GnuTLS sees that a certificate is %s', async (status) => {
    const name = `tls-${status}`;
    const certificate = await issue(name);
    if (status === 'revoked') await revoke(certificate);
    clients.file('chain.pem', certificate.body + certificate.chain);
    const loaded = ['--load-cert', `${name}.pem`, '--load-issuer', 'sub.pem', '--load-trust', 'sub.pem'];
    const said = await eventually(async () => {
      const text = await clients.run('ocsptool', `--ask=${urlOf(sub)}`, ...loaded, '--nonce');
      return text.includes(`Certificate Status: ${status}`) ? text : null;
    });
    expect(said).toContain('Verifying OCSP Response: Success.');
  });

  it.each([
    ['accepts a good certificate', false, /^accepted$/m],
    ['refuses a revoked certificate', true, /^refused: REVOKED, .*reason: KEY_COMPROMISE/m],
  ])('Java %s', async (_, isRevoked, expected) => {
    const name = `java-${isRevoked}`;
    const certificate = await issue(name);
    if (isRevoked) await revoke(certificate);
    const source = join(__dirname, '../support/CheckOcsp.java');
    for (const nonce of ['false', 'true'])
      await eventually(async () => {
        const settings = [`-Djdk.security.certpath.ocspNonce=${nonce}`, source];
        const said = await clients.run('java', ...settings, urlOf(sub), 'root.pem', `${name}.pem`, 'sub.pem');
        return expected.test(said);
      });
  });
});

describe('an answer that was signed before', () => {
  it('is signed anew when half of its time is over', async () => {
    await issue('kept');
    const request = await clients.request('-issuer', 'sub.pem', '-no_nonce', '-cert', 'kept.pem');
    const tagOf = async (): Promise<string | null> => (await post(request)).headers.get('etag');
    const first = await tagOf();
    program.clock.advance(2.9 * 3_600_000);
    expect(await tagOf()).toBe(first);
    program.clock.advance(0.2 * 3_600_000);
    const second = await tagOf();
    expect(second).not.toBe(first);
    expect(await tagOf()).toBe(second);
  });
});
