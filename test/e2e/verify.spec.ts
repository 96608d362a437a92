import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../../plugins/index.js';
import { RevocationCheckRepository } from '../../src/certificates/verify/revocation-check.repository.js';
import { defineIssuer } from '../../src/plugin-api/issuer.js';
import { OpensslCa } from '../support/openssl-ca.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import type { Json } from '../support/json.js';

// Programs that are not ours, Java among them, start slowly on a busy machine.
let program: TestProgram;
let ca: OpensslCa;
let issued = 0;

/** As openssl takes it: 20260131080000Z. */
const asn1Time = (date: Date): string => `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;

/** An issuer whose certificates `openssl ca` makes, and which names its responder in them. */
const opensslIssuer = defineIssuer({
  id: 'openssl-ca',
  title: 'OpenSSL CA',
  description: 'A CA that is elsewhere.',
  options: z.strictObject({}),
  answers: 'later',
  describe: () => Promise.resolve({ issuers: [{ chainPem: [ca.pem] }] }),
  order: ({ request: { csrPem, terms } }) => {
    const name = terms.subject.commonName ?? '';
    const usage = ['keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth', `subjectAltName=DNS:${name}`];
    issued += 1;
    const dates = ['-startdate', asn1Time(terms.notBefore), '-enddate', asn1Time(terms.notAfter)];
    const pem = ca.sign(`${name}-${issued}`, csrPem, [...usage, ...ca.addresses({ ocsp: '/ocsp' })], dates);
    return Promise.resolve({ status: 'issued' as const, chainPem: [pem, ca.pem] });
  },
});

beforeAll(async () => {
  ca = await OpensslCa.start();
  ca.ocsp = { signer: 'delegate', days: 30 };
  program = await startProgram(
    { ALLOWED_PRIVATE_HOSTS: '127.0.0.1' },
    { plugins: [...plugins, opensslIssuer] as typeof plugins },
  );
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await ok('POST', '/authorities', {
    name: 'sub',
    owner: 'pki@example.com',
    commonName: 'Example Issuing',
    type: 'subca',
    parent: { name: 'root' },
  });
});
afterAll(async () => {
  await program.stop();
  ca.close();
});

const verify = (body: object): Promise<Json> => program.ok('POST', '/verify', body);
const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'sub' },
    validityDays: 90,
    ...more,
  });
const failedChecks = ({ checks }: Json): string[] =>
  checks.filter((one: Json) => !one.passed).map(({ check }: Json) => check);

describe('POST /verify', () => {
  it('finds the path of a certificate that was issued here, and knows at once that nothing is revoked', async () => {
    const { id, body } = await issue('www.example.com');
    const answer = await verify({
      chain: body,
      purpose: 'serverAuth',
      name: 'WWW.example.com.',
      strictness: 'rfc5280',
    });
    expect(answer).toMatchObject({
      verdict: 'valid',
      path: [{ subject: 'CN=www.example.com' }, { subject: 'CN=Example Issuing' }, { subject: 'CN=Example Root' }],
      revocation: [
        { certificate: 0, status: 'valid', source: 'authority' },
        { certificate: 1, status: 'valid', source: 'authority' },
      ],
      warnings: [],
    });
    expect(failedChecks(answer)).toEqual([]);
    await program.ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' });
    expect(await verify({ chain: body })).toMatchObject({
      verdict: 'revoked',
      why: 'Revoked here (CN=www.example.com)',
      revocation: [{ status: 'revoked', reason: 'superseded' }, { status: 'valid' }],
    });
    expect((await verify({ chain: body, revocation: false })).verdict).toBe('valid');
  });

  it('knows what is on hold here, and what has been released', async () => {
    const { id, body } = await issue('hold.example.com');
    const verdict = async (): Promise<string> => (await verify({ chain: body })).verdict;
    await program.ok('PUT', `/certificates/${id}/hold`, {});
    await eventually(async () => (await verdict()) === 'revoked');
    expect((await verify({ chain: body })).revocation[0]).toMatchObject({
      status: 'revoked',
      reason: 'certificateHold',
    });
    await program.ok('PUT', `/certificates/${id}/release`);
    await eventually(async () => (await verdict()) === 'valid');
  });

  it('tells every fault at once', async () => {
    const { body } = await issue('faults.example.com', {
      extensions: { extendedKeyUsage: { useServerAuthentication: true } },
    });
    const answer = await verify({
      chain: body,
      purpose: 'emailProtection',
      name: 'other.example.com',
      time: '2050-01-01T00:00:00Z',
    });
    expect(answer).toMatchObject({ verdict: 'invalid', revocation: [] });
    expect(failedChecks(answer)).toEqual(['validity', 'extended-key-usage', 'name']);
    const untrusted = await verify({ chain: body, anchors: ca.pem });
    expect([untrusted.verdict, failedChecks(untrusted)]).toEqual(['invalid', ['trust']]);
  });

  it('takes PEM, PKCS#7 and base64 of DER, and refuses what is none of them', async () => {
    const { body } = await issue('forms.example.com');
    writeFileSync(join(ca.folder, 'forms.pem'), body);
    const pkcs7 = ca.openssl('crl2pkcs7', '-nocrl', '-certfile', 'forms.pem');
    const der = body.replace(/-----[^-]+-----|\s/g, '');
    for (const chain of [body, pkcs7, der]) expect((await verify({ chain })).verdict).toBe('valid');
    for (const chain of ['nonsense', 'MAAA', body.replace('MII', 'AAA')]) {
      const { status, body: problem } = await program.call('POST', '/verify', { chain });
      expect([status, Object.keys(problem.reasons)]).toEqual([400, ['chain']]);
    }
  });

  it('fetches a missing intermediate, asks its CA by OCSP and CRL, and never calls silence good', async () => {
    ca.issue('issuing', [
      'basicConstraints=critical,CA:TRUE,pathlen:0',
      'keyUsage=critical,keyCertSign,cRLSign',
      ...ca.addresses({ crl: '/ca.crl' }),
    ]);
    ca.files.set('/issuing.crt', Buffer.from(ca.read('issuing.pem')));
    const leafBelow = (extensions: string[]): string => {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'below.key'];
      ca.openssl('req', '-new', ...key, '-subj', '/CN=below', '-out', 'below.csr');
      writeFileSync(join(ca.folder, 'below.cnf'), ['authorityKeyIdentifier=keyid', ...extensions, ''].join('\n'));
      const by = ['-CA', 'issuing.pem', '-CAkey', 'issuing.key', '-set_serial', '77', '-extfile', 'below.cnf'];
      return ca.openssl('x509', '-req', '-in', 'below.csr', ...by);
    };
    ca.publish();
    const chain = leafBelow(ca.addresses({ issuers: '/issuing.crt' }));
    expect(await verify({ chain, anchors: ca.pem })).toMatchObject({
      verdict: 'unknown',
      path: [{ subject: 'CN=below' }, { subject: 'CN=issuing' }, { subject: 'CN=Openssl CA' }],
      revocation: [
        { status: 'unknown', source: 'none' },
        { status: 'valid', source: 'crl' },
      ],
    });
    const silent = leafBelow(ca.addresses({ issuers: '/issuing.crt', ocsp: '/absent', crl: '/absent' }));
    expect((await verify({ chain: silent, anchors: ca.pem })).why).toMatch(/^OCSP: .* 404\. CRL: .* 404 \(CN=below\)$/);
    ca.revoke('issuing', 'cACompromise');
    program.clock.advance(2 * 3_600_000);
    const crl = ca.publish().toString('base64').replace(/.{64}/g, '$&\n');
    expect(
      await verify({ chain, anchors: ca.pem, crls: [`-----BEGIN X509 CRL-----\n${crl}\n-----END X509 CRL-----\n`] }),
    ).toMatchObject({ verdict: 'revoked', revocation: [{}, { status: 'revoked', reason: 'cACompromise' }] });
  });
});

describe('POST /certificates/{id}/verify', () => {
  it('stores what the CA says, and revokes here what is revoked there', async () => {
    const name = 'uploaded.example.com';
    const body = ca.issue(name, [`subjectAltName=DNS:${name}`, ...ca.addresses({ ocsp: '/ocsp' })]);
    const { id } = await program.ok('POST', '/certificates/upload', { owner: 'joe@example.com', body, chain: ca.pem });
    const get = (): Promise<Json> => program.ok('GET', `/certificates/${id}`);
    expect((await get()).revocationCheck).toBeNull();
    const answer = await program.ok('POST', `/certificates/${id}/verify`, { anchors: ca.pem, name });
    expect(answer.verdict).toBe('valid');
    expect(await get()).toMatchObject({ status: 'valid', revocationCheck: { status: 'valid', source: 'ocsp' } });
    ca.revoke(name, 'keyCompromise');
    program.clock.advance(2 * 3_600_000);
    // Without a path to a trusted CA its own CA is asked all the same.
    expect((await program.ok('POST', `/certificates/${id}/verify`, {})).verdict).toBe('invalid');
    expect(await get()).toMatchObject({
      lifecycle: 'revoked',
      status: 'revoked',
      revocationReason: 1,
      revocationCheck: { status: 'revoked', source: 'ocsp' },
    });
    await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.some((mail: Json) => mail.subject === `${name}: revoked`),
    );
    const events = await program.ok('GET', `/logs?count=200`);
    expect(events.items.map(({ logType }: Json) => logType)).toEqual(expect.arrayContaining(['certificate.revoked']));
  });

  it('leaves a certificate on hold at its CA in force here, and shows why', async () => {
    const body = ca.issue('held.example.com', ca.addresses({ ocsp: '/ocsp' }));
    ca.revoke('held.example.com', 'certificateHold');
    const { id } = await program.ok('POST', '/certificates/upload', { owner: 'joe@example.com', body, chain: ca.pem });
    expect((await program.ok('POST', `/certificates/${id}/verify`, { anchors: ca.pem })).verdict).toBe('revoked');
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({
      lifecycle: 'issued',
      revocationCheck: { status: 'revoked', source: 'ocsp' },
    });
  });
});

describe('the periodic check', () => {
  it('replaces a deployed certificate that its CA has revoked, and tells its owner', async () => {
    await program.ok('POST', '/authorities', {
      name: 'elsewhere',
      owner: 'pki@example.com',
      commonName: 'Openssl CA',
      plugin: { id: 'openssl-ca' },
    });
    const path = `${program.dataDir}-place`;
    const place = await program.ok('POST', '/destinations', {
      label: 'place',
      plugin: { id: 'filesystem', options: { path } },
    });
    const old = await issue('deployed.example.com', {
      authority: { name: 'elsewhere' },
      destinations: [{ id: place.id }],
      rotation: true,
    });
    const get = (): Promise<Json> => program.ok('GET', `/certificates/${old.id}`);
    await eventually(async () => {
      const { items } = await program.ok('GET', `/certificates/${old.id}/deliveries`);
      return items.every((delivery: Json) => delivery.state === 'delivered');
    });
    const { database } = program;
    const now = program.clock.now();
    // The hourly enrolment, which may have come before and chosen a later moment.
    await new RevocationCheckRepository().enrol(database.db.single, now, now);
    await database.source.query('update revocation_check set next_check_at = $1 where certificate_id = $2', [
      now,
      old.id,
    ]);
    await eventually(async () => (await get()).revocationCheck?.status === 'valid');
    ca.revoke(`deployed.example.com-${issued}`, 'keyCompromise');
    program.clock.advance(25 * 3_600_000);
    await eventually(async () => (await get()).lifecycle === 'revoked');
    await eventually(async () => (await get()).replaced.some((one: Json) => one.lifecycle === 'issued'));
    expect((await get()).replaced[0].serial).not.toBe(old.serial);
  });

  it('paces the questions to one host, and does not hold up certificates about which nobody is asked', async () => {
    const { source } = program.database;
    const laneOf = async (name: string, addresses: string[]): Promise<unknown> => {
      const body = ca.issue(name, addresses);
      const request = { owner: 'joe@example.com', body, chain: ca.pem };
      const { id } = await program.ok('POST', '/certificates/upload', request);
      await source.query(
        `insert into revocation_check (certificate_id, next_check_at) values ($1, $2)
         on conflict (certificate_id) do update set next_check_at = excluded.next_check_at`,
        [id, program.clock.now()],
      );
      const [job] = await eventually(async () => {
        const jobs = await source.query(
          `select lane from outbox where job = 'certificate.check-revocation' and data = $1::jsonb`,
          [JSON.stringify({ certificateId: id })],
        );
        return jobs.length > 0 && jobs;
      });
      return job.lane;
    };
    expect(await laneOf('asked.example.com', ca.addresses({ ocsp: '/ocsp' }))).toMatch(
      /^revocation-host:127\.0\.0\.1:/,
    );
    expect(await laneOf('nobody.example.com', [])).toBe('');
  });

  it('plans checks of what is deployed and of CAs elsewhere alone', async () => {
    const rows: { name: string }[] = await program.database.source.query(
      `select c.name from revocation_check k join certificate c on c.id = k.certificate_id
         where k.next_check_at > now()`,
    );
    expect(rows.some(({ name }) => name.startsWith('www.example.com'))).toBe(false);
  });
});
