import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr, opensslText } from '../support/requests.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, new ScriptedCa().plugin] });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await program.ok('POST', '/authorities', {
    name: 'slow',
    owner: 'pki@example.com',
    commonName: 'Example Slow',
    plugin: { id: 'scripted-ca', options: { behaviour: 'refuses' } },
  });
  const addresses = { crlDistributionPoints: ['http://crl.example.com/a.crl'], ocsp: ['http://ocsp.example.com'] };
  await program.ok('POST', '/authorities', {
    name: 'served',
    owner: 'pki@example.com',
    commonName: 'Example Served',
    plugin: { id: 'local-ca', options: addresses },
  });
});
afterAll(() => program.stop());

const request = (commonName: string, authority = 'root'): object => ({
  owner: 'joe@example.com',
  commonName,
  authority: { name: authority },
  validityDays: 90,
});
const issue = (body: object, key: string, token?: string) =>
  program.call('POST', '/certificates', body, { headers: { 'idempotency-key': key }, ...(token && { token }) });

describe('Idempotency-Key', () => {
  it('makes a repeated request answer with the certificate of the first', async () => {
    const first = await issue(request('once.example.com'), 'key-1');
    const again = await issue(request('once.example.com'), 'key-1');
    const other = await issue(request('once.example.com'), 'key-2');
    expect([first.status, again.status, other.status]).toEqual([200, 200, 200]);
    expect(again.body).toEqual(first.body);
    expect(other.body.id).not.toBe(first.body.id);
  });

  it.each(['root', 'slow'])('makes one certificate of requests at the same time (authority %s)', async (authority) => {
    const commonName = `race.${authority}.example.com`;
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => issue(request(commonName, authority), `race ${authority}`.replace(' ', '-'))),
    );
    expect(answers.map(({ status, body }) => [status, body.lifecycle])).toEqual(
      answers.map(() => [200, authority === 'root' ? 'issued' : 'failed']),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await program.ok('GET', `/certificates?filter=cn;"${commonName}"`)).total).toBe(1);
  });

  it('belongs to the user who sent it', async () => {
    await program.ok('POST', '/users', {
      username: 'ann',
      email: 'ann@example.com',
      password: 'Correct-Horse-2!',
      roles: [{ name: 'operator' }],
    });
    const token = await program.login('ann', 'Correct-Horse-2!');
    const mine = await issue(request('mine.example.com'), 'shared');
    const hers = await issue(request('hers.example.com'), 'shared', token);
    expect(hers).toMatchObject({ status: 200, body: { cn: 'hers.example.com' } });
    expect(hers.body.id).not.toBe(mine.body.id);
  });

  it.each(['', 'two words', 'x'.repeat(256), 'ümlaut'].filter((key) => key !== 'ümlaut'))(
    'is refused as "%s"',
    async (key) => {
      const answer = await issue(request('bad-key.example.com'), key);
      expect(answer).toMatchObject({ status: 400, body: { reasons: { 'Idempotency-Key': [expect.any(String)] } } });
    },
  );
});

describe('simultaneous requests for the same certificate', () => {
  it('get different names: one by the pattern, the others with the serial number added', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => program.ok('POST', '/certificates', request('same.example.com'))),
    );
    const [{ notBefore, notAfter }] = answers;
    const pattern = `same.example.com-ExampleRoot-${notBefore.slice(0, 10)}-${notAfter.slice(0, 10)}`.replace(
      /(\d{4})-(\d\d)-(\d\d)/g,
      '$1$2$3',
    );
    const expected = (serialHex: string): string => `${pattern}-${serialHex}`;
    const plain = answers.filter(({ name }) => name === pattern);
    expect(plain).toHaveLength(1);
    for (const { name, serialHex } of answers.filter((one) => one !== plain[0])) expect(name).toBe(expected(serialHex));
    expect(new Set(answers.map(({ serial }) => serial)).size).toBe(20);
  });

  it('for the same name get it once, in ASCII without spaces, and else with the serial number added', async () => {
    const answers = await Promise.all(
      Array.from({ length: 3 }, () =>
        program.ok('POST', '/certificates', { ...request('named.example.com'), name: 'Mein Schlüssel/1' }),
      ),
    );
    const names = answers.map(({ name }) => name).sort();
    expect(names[0]).toBe('Mein-Schlussel-1');
    for (const { name, serialHex } of answers)
      expect(['Mein-Schlussel-1', `Mein-Schlussel-1-${serialHex}`]).toContain(name);
    expect(new Set(names).size).toBe(3);
  });
});

describe('an extension in a request', () => {
  const ask = (authority: string, extensions: object, more: object = {}) =>
    program.call('POST', '/certificates', { ...request('ext.example.com', authority), extensions, ...more });
  const mustStaple = { oid: '1.3.6.1.5.5.7.1.24', encoding: 'b64asn1', value: 'MAMCAQU=' };

  it('decides whether AIA and CRL addresses are in the certificate and its renewals', async () => {
    const made = async (extensions: object): Promise<{ id: number; text: string }> => {
      const { id, body } = (await ask('served', extensions)).body;
      return { id, text: opensslText(body) };
    };
    const [usual, all] = [
      await made({}),
      await made({ certificateInfoAccess: { includeAIA: true }, crlDistributionPoints: { includeCrlDp: 'true' } }),
    ];
    for (const { text } of [usual, all])
      expect([text.includes('http://crl.example.com/a.crl'), text.includes('http://ocsp.example.com')]).toEqual([
        true,
        true,
      ]);
    const plain = await made({
      certificateInfoAccess: { includeAIA: false },
      cRLDistributionPoints: { includeCrlDp: false },
      custom: [mustStaple],
    });
    const renewed = await program.ok('POST', `/certificates/${plain.id}/reissue`);
    for (const text of [plain.text, opensslText(renewed.body)]) {
      expect([text.includes('http://'), text.includes('status_request')]).toEqual([false, true]);
    }
    expect((await made({ certificateInfoAccess: { includeAIA: false } })).text).toMatch(/crl\.example\.com/);
  });

  it.each<[string, string, object, string]>([
    [
      'addresses that the authority has not got',
      'root',
      { certificateInfoAccess: { includeAIA: true } },
      'certificateInfoAccess.includeAIA',
    ],
    [
      'a CRL that the authority has not got',
      'root',
      { crlDistributionPoints: { includeCrlDp: true } },
      'crlDistributionPoints.includeCrlDp',
    ],
    [
      'what only the CA decides',
      'slow',
      { cRLDistributionPoints: { includeCrlDp: false } },
      'cRLDistributionPoints.includeCrlDp',
    ],
    [
      'the same in two spellings',
      'served',
      { cRLDistributionPoints: {}, crlDistributionPoints: {} },
      'cRLDistributionPoints',
    ],
    ['a TLS feature that no server has', 'root', { custom: [{ ...mustStaple, value: 'MAMCAQY=' }] }, 'custom.0.value'],
    [
      'application policies, which stand for the purposes on Windows',
      'root',
      { custom: [{ oid: '1.3.6.1.4.1.311.21.10', encoding: 'b64asn1', value: 'MAA=' }] },
      'custom.0.oid',
    ],
  ])('is refused for %s', async (_, authority, extensions, member) => {
    const { status, body } = await ask(authority, extensions);
    expect([status, Object.keys(body.reasons)]).toEqual([400, [`extensions.${member}`]]);
  });

  it('has the default usages when all usages in it are false', async () => {
    const { status, body } = await ask('root', {
      keyUsage: { useDigitalSignature: false },
      extendedKeyUsage: { useServerAuthentication: false, useClientAuthentication: false },
    });
    expect(status).toBe(200);
    expect(body.extensions).toMatchObject({
      keyUsage: { useDigitalSignature: true },
      extendedKeyUsage: { useServerAuthentication: true },
    });
  });

  it('of a CSR is in the certificate and its renewals, or is refused with its OID', async () => {
    const csr = (...args: string[]): string =>
      opensslCsr(
        '/CN=ext.example.com',
        args.flatMap((arg) => ['-addext', arg]),
        'ec',
      ).csrPem;
    const good = csr(
      'tlsfeature=status_request',
      '1.3.6.1.4.1.55555.9=ASN1:UTF8String:hello',
      'subjectKeyIdentifier=hash',
      'basicConstraints=CA:FALSE',
      'keyUsage=critical,digitalSignature,keyAgreement',
      'extendedKeyUsage=clientAuth,1.3.6.1.4.1.55555.3',
    );
    const { body: made } = await ask('served', {}, { csr: good });
    const renewed = await program.ok('POST', `/certificates/${made.id}/reissue`);
    for (const { body } of [made, renewed]) {
      const text = opensslText(body).replaceAll(/\s+/g, ' ');
      for (const part of [
        'status_request',
        '1.3.6.1.4.1.55555.9: ..hello',
        'Digital Signature, Key Agreement',
        'TLS Web Client Authentication, 1.3.6.1.4.1.55555.3 ',
      ])
        expect(text).toContain(part);
    }
    for (const [arg, oid] of [
      ['certificatePolicies=1.2.3.4', '2.5.29.32'],
      ['crlDistributionPoints=URI:http://evil.example/a.crl', '2.5.29.31'],
      ['subjectKeyIdentifier=01:02', '2.5.29.14'],
      ['nameConstraints=permitted;DNS:example.com', '2.5.29.30'],
      ['1.2.3.4.5=critical,ASN1:NULL', '1.2.3.4.5'],
      ['authorityInfoAccess=OCSP;URI:http://evil.example', '1.3.6.1.5.5.7.1.1'],
    ] as const) {
      const { status, body } = await ask('served', {}, { csr: csr(arg) });
      expect([status, body.reasons?.csr?.[0]], arg).toEqual([400, expect.stringContaining(`${oid}.`)]);
    }
    // Any purpose, OCSP signing, enrolment agent, domain controller.
    for (const oid of ['2.5.29.37.0', '1.3.6.1.5.5.7.3.9', '1.3.6.1.4.1.311.20.2.1', '1.3.6.1.5.2.3.5']) {
      const { status, body } = await ask('root', {}, { csr: csr(`extendedKeyUsage=serverAuth,${oid}`) });
      expect([status, body.reasons?.csr?.[0]], oid).toEqual([400, expect.stringContaining(oid)]);
    }
  });

  it('beside a CSR is refused unless it agrees with the CSR, as are names and key type', async () => {
    const { csrPem: csr } = opensslCsr(
      '/C=CH/O=Example/CN=ext.example.com',
      ['-addext', 'subjectAltName=DNS:b.example.com', '-addext', 'keyUsage=digitalSignature'],
      'ec',
    );
    const names = (...values: string[]) => ({
      subAltNames: { names: values.map((value) => ({ nameType: 'DNSName', value })) },
    });
    const agreeing = {
      country: 'CH',
      organization: 'Example',
      commonName: 'EXT.example.com',
      keyType: 'ECCPRIME256V1',
    };
    expect(
      (
        await ask(
          'root',
          { ...names('B.example.com', 'ext.example.com'), keyUsage: { useDigitalSignature: true } },
          { csr, ...agreeing },
        )
      ).status,
    ).toBe(200);
    expect((await ask('root', names(), { csr })).status).toBe(200);
    const cases: [object, object, string][] = [
      [{}, { commonName: 'other.example.com' }, 'commonName'],
      [{}, { organization: 'Other' }, 'organization'],
      [{}, { state: 'Zug' }, 'state'],
      [{}, { country: '' }, 'country'],
      [{}, { keyType: 'RSA2048' }, 'keyType'],
      [names('b.example.com', 'c.example.com'), {}, 'extensions.subAltNames'],
      [names('ext.example.com'), {}, 'extensions.subAltNames'],
      [{ keyUsage: { useKeyAgreement: true } }, {}, 'extensions.keyUsage'],
    ];
    for (const [extensions, more, field] of cases) {
      const { status, body } = await ask('root', extensions, { csr, ...more });
      expect([status, Object.keys(body.reasons ?? {})], field).toEqual([400, [field]]);
    }
  });
});
