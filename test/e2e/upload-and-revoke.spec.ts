import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { openssl, startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr } from '../support/requests.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

const password = 'Correct-Horse-2!';
const issuer = new ScriptedCa();
let program: TestProgram;
let foreign: TestAuthority;
let bob = '';
let number = 0;
beforeAll(async () => {
  foreign = startTestAuthority();
  program = await startProgram({}, { plugins: [...plugins, issuer.plugin] });
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await ok('POST', '/authorities', {
    name: 'slow',
    owner: 'pki@example.com',
    commonName: 'Example Slow',
    plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } },
  });
  const open = await ok('POST', '/roles', { name: 'issuers' });
  await ok('PUT', '/authorities/1', { owner: 'pki@example.com', roles: [{ id: open.id }] });
  await ok('POST', '/users', { username: 'bob', email: 'bob@example.com', password, roles: [{ id: open.id }] });
  bob = await program.login('bob', password);
});
afterAll(async () => {
  await program.stop();
  foreign.close();
});

const issue = (more: object = {}) =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `u${++number}.example.com`,
    authority: { name: 'root' },
    validityDays: 90,
    ...more,
  });
const get = (id: number) => program.ok('GET', `/certificates/${id}`);
const upload = (body: object, token?: string) =>
  program.call('POST', '/certificates/upload', { owner: 'joe@example.com', ...body }, { token });
const revoke = (id: number, body: object = {}, token?: string) =>
  program.call('PUT', `/certificates/${id}/revoke`, body, { token });

describe('an upload', () => {
  describe('with a whole chain in the body', () => {
    const fullChain = (): { leaf: string; issuers: string[] } => {
      const [leaf = '', ...issuers] = foreign.issue(`full${++number}.example.com`).chainPem;
      expect(issuers.length).toBeGreaterThan(0);
      return { leaf, issuers };
    };
    type Parts = ReturnType<typeof fullChain>;
    it.each<[string, (parts: Parts) => object]>([
      ['in order', ({ leaf, issuers }) => ({ body: [leaf, ...issuers].join('') })],
      [
        'in any order, the certificate first',
        ({ leaf, issuers }) => ({ body: [leaf, ...issuers.toReversed()].join('') }),
      ],
      ['that holds the certificate twice', ({ leaf, issuers }) => ({ body: [leaf, leaf, ...issuers].join('\n') })],
      [
        'beside the same chain',
        ({ leaf, issuers }) => ({ body: [leaf, ...issuers].join(''), chain: issuers.join('') }),
      ],
      [
        'beside itself as chain',
        ({ leaf, issuers }) => ({ body: leaf + issuers.join(''), chain: leaf + issuers.join('') }),
      ],
      [
        'that the chain goes on from',
        ({ leaf, issuers }) => ({ body: leaf + issuers[0], chain: issuers.slice(1).join('') }),
      ],
      [
        'with text between',
        ({ leaf, issuers }) => ({ body: `subject=x\n${leaf}\nissuer=y\n${issuers.join('# next\n')}` }),
      ],
    ])('%s is split into certificate and chain', async (_, parts) => {
      const whole = fullChain();
      const { status, body } = await upload(parts(whole));
      expect(status).toBe(200);
      expect(body.body.trim()).toBe(whole.leaf.trim());
      expect((await get(body.id)).chain.trim()).toBe(whole.issuers.join('').trim());
    });

    it.each<[string, (parts: Parts) => object, string]>([
      ['a stranger behind the certificate', ({ leaf }) => ({ body: leaf + fullChain().leaf }), 'body'],
      ['a broken block behind it', ({ leaf }) => ({ body: `${leaf}-----BEGIN CERTIFICATE-----\nMIIB\n` }), 'body'],
      [
        'a stranger as chain',
        ({ leaf, issuers }) => ({ body: leaf + issuers.join(''), chain: fullChain().leaf }),
        'chain',
      ],
      ['a private key behind it', ({ leaf }) => ({ body: leaf + opensslCsr('/CN=x', [], 'ec').keyPem }), 'body'],
    ])('with %s is refused', async (_, parts, field) => {
      const { status, body } = await upload(parts(fullChain()));
      expect([status, Object.keys(body.reasons)]).toEqual([400, [field]]);
    });
  });

  it.each([
    ['a body that is none', { body: 'nonsense' }, 'body', 'Public certificate presented is not valid.'],
    ['a key that is none', { privateKey: 'nonsense' }, 'privateKey', 'Private key presented is not valid.'],
    [
      'the key of another',
      { privateKey: opensslCsr('/CN=x', [], 'ec').keyPem },
      'privateKey',
      'Private key does not match certificate.',
    ],
    [
      'a chain that is none',
      { chain: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
      'chain',
      'Invalid certificate in certificate chain.',
    ],
  ])('of %s is refused with the message of Lemur', async (_, change, field, words) => {
    const {
      chainPem: [body],
      privateKeyPem,
    } = foreign.issue('words.example.net');
    expect(await upload({ body, privateKey: privateKeyPem, ...change })).toMatchObject({
      status: 400,
      body: { detail: words, reasons: { [field]: expect.arrayContaining([words]) } },
    });
  });

  it('of a chain or key that does not fit or is missing is refused with the message of Lemur', async () => {
    const {
      chainPem: [body],
    } = foreign.issue('chain.example.net');
    expect((await upload({ body, chain: foreign.rootPem })).body.detail).toBe(
      "Incorrect chain certificate(s) provided: 'chain.example.net' is not signed by 'Test Root'",
    );
    await program.ok('POST', '/destinations', {
      label: 'keyed',
      plugin: { id: 'filesystem', options: { path: `${program.dataDir}-keyed` } },
    });
    expect((await upload({ body, destinations: [{ label: 'keyed' }] })).body).toMatchObject({
      detail: 'Destinations require private key.',
      status: 400,
    });
  });

  it('needs rights to its authority and to the replaced certificate, and an authority for an externalId', async () => {
    const {
      chainPem: [body, chain],
    } = foreign.issue('rights.example.net');
    const old = await issue();
    await program.ok('POST', '/authorities', { name: 'closed', owner: 'pki@example.com', commonName: 'Closed' });
    expect(await upload({ body, chain, externalId: '7' })).toMatchObject({ status: 403 });
    expect(await upload({ body, chain, authority: { name: 'closed' } }, bob)).toMatchObject({ status: 403 });
    expect(await upload({ body, chain, replaces: [{ id: old.id }] }, bob)).toMatchObject({
      status: 403,
      body: { detail: `You are not authorized to replace certificate ${old.name}.` },
    });
    expect((await get(old.id)).notify).toBe(true);
  });

  it('with a restricted extended key usage is renewed only when an administrator reissues it', async () => {
    const {
      body: { id },
    } = await program.call(
      'POST',
      '/certificates',
      { owner: 'bob@example.com', commonName: 'ocsp.example.com', authority: { name: 'root' } },
      { token: bob },
    );
    await program.database.source.query(
      `update certificate set terms = jsonb_set(terms, '{extendedKeyUsage}', '["1.3.6.1.5.5.7.3.9"]') where id = $1`,
      [id],
    );
    const reissue = (one: number, token?: string) =>
      program.call('POST', `/certificates/${one}/reissue`, undefined, { token });
    expect(await reissue(id, bob)).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('1.3.6.1.5.5.7.3.9') },
    });
    const { body: renewed } = await reissue(id);
    expect(openssl(['x509', '-noout', '-ext', 'extendedKeyUsage'], renewed.body)).toContain('OCSP Signing');
  });

  it('of a stored certificate is a conflict, with or without its chain, and one event is recorded', async () => {
    const { id, body, chain, name } = await issue();
    for (const way of [{ chain }, {}, { authority: { name: 'root' } }, { authority: { name: 'root' }, chain }]) {
      expect(await upload({ body, owner: 'bob@example.com', ...way }, bob)).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining(name) },
      });
    }
    expect((await get(id)).owner).toBe('joe@example.com');
    const {
      chainPem: [leaf, issuing],
    } = foreign.issue('twice.example.net');
    const answers = await Promise.all(
      [{}, { chain: issuing }, {}, { chain: issuing }].map((way) => upload({ body: leaf, ...way })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    const made = answers.find(({ status }) => status === 200)?.body;
    const { items } = await program.ok('GET', `/logs?filter=certificate.name;${made.name}`);
    expect(items).toMatchObject([{ logType: 'certificate.imported', user: { username: 'admin' } }]);
  });
});

describe('names', () => {
  it('of certificates with the same name and serial number are made unique (27: UCM#85)', async () => {
    const bodies = Array.from({ length: 12 }, (_, i) =>
      openssl([
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        '/dev/null',
        '-subj',
        `/CN=self${i}.example.net`,
        '-set_serial',
        '0xAFF2',
        '-days',
        '30',
      ]),
    );
    const answers = await Promise.all(bodies.map((body) => upload({ body, name: 'Eins & Zwei' })));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.map(({ body }) => body.name).sort()).toEqual(
      ['Eins-Zwei', 'Eins-Zwei-AFF2', ...Array.from({ length: 10 }, (_, i) => `Eins-Zwei-AFF2-${i + 1}`)].sort(),
    );
  });

  it('that a request chose are kept when the issuer does not answer at once', async () => {
    issuer.deliver();
    const answers = await Promise.all([1, 2, 3].map(() => issue({ name: 'chosen', authority: { name: 'slow' } })));
    const names = await Promise.all(
      answers.map(async ({ id }) =>
        eventually(async () => {
          const { lifecycle, name, serialHex } = await get(id);
          return lifecycle === 'issued' && { name, serialHex };
        }),
      ),
    );
    expect(names.filter(({ name }) => name === 'chosen')).toHaveLength(1);
    for (const { name, serialHex } of names) expect(['chosen', `chosen-${serialHex}`]).toContain(name);
  });
});

describe('a revocation', () => {
  it.each([
    ['keyCompromise', 1],
    [1, 1],
    ['superseded', 4],
    [10, 10],
    [undefined, 0],
  ])('for the reason %s stores reason code %i', async (crlReason, code) => {
    const { id } = await issue();
    expect(await revoke(id, { crlReason, comments: 'why' })).toMatchObject({ status: 200, body: { id } });
    expect(await get(id)).toMatchObject({
      lifecycle: 'revoked',
      revocationReason: code,
      notify: false,
      rotation: false,
    });
  });

  it.each(['certificateHold', 6, 'removeFromCRL', 7, 'nonsense'])('for the reason %s is refused', async (crlReason) => {
    expect((await revoke((await issue()).id, { crlReason })).status).toBe(400);
  });

  it('is refused before the issuer is called when its comments hold a private key', async () => {
    issuer.deliver();
    const { id, body } = await issue({ authority: { name: 'slow' } });
    const comments = `leaked: ${opensslCsr('/CN=x', [], 'ec').keyPem}`;
    expect(await revoke(id, { comments })).toMatchObject({
      status: 400,
      body: { reasons: { comments: [expect.stringContaining('Must not hold a private key')] } },
    });
    expect([issuer.asked.revoke, (await get(id)).lifecycle]).toEqual([[], 'issued']);
    expect((await revoke(id, { comments: 'its PRIVATE KEY leaked' })).status).toBe(200);
    await eventually(async () => issuer.asked.revoke.length > 0);
    expect(issuer.asked.revoke).toEqual([body]);
  });

  it('removes the certificate from its destinations', async () => {
    const path = `${program.dataDir}-revoked`;
    const { id: placeId } = await program.ok('POST', '/destinations', {
      label: 'revoked',
      plugin: { id: 'filesystem', options: { path } },
    });
    const { id, cn } = await issue({ destinations: [{ id: placeId }] });
    const state = (wanted: string) =>
      eventually(async () => (await program.ok('GET', `/certificates/${id}/deliveries`)).items[0].state === wanted);
    await state('delivered');
    expect(existsSync(join(path, cn, 'key.pem')) || existsSync(join(path, cn, 'privkey.pem'))).toBe(true);
    await revoke(id, { crlReason: 'keyCompromise' });
    await state('removed');
    expect(existsSync(join(path, cn, 'cert.pem'))).toBe(false);
  });

  it('needs the right to every stored row of the certificate', async () => {
    const victim = await issue();
    // As an older release stored it, which knew a certificate without its chain for another one.
    const { source } = program.database;
    await source.query('drop index certificate_sha256');
    const [{ id }] = await source.query(
      `
      insert into certificate (state, name, owner, creator_id, authority_id, common_name, distinguished_name, body_der,
        secret_id, issuer, issuer_sha256, serial_hex, sha256,
        spki_sha256, key_type, bits, not_before, not_after, san_count, terms, rotation_policy_id, created_at)
      select state, 'twin', 'bob@example.com', (select id from app_user
        where username = 'bob'), authority_id, common_name, distinguished_name, body_der, gen_random_uuid(), issuer,
        'other', serial_hex, sha256, spki_sha256, key_type, bits, not_before, not_after, san_count, terms,
        rotation_policy_id, created_at from certificate where id = $1 returning id`,
      [victim.id],
    );
    expect((await revoke(id, {}, bob)).status).toBe(403);
    expect((await get(victim.id)).lifecycle).toBe('issued');
    expect((await revoke(id)).status).toBe(200);
    expect([(await get(victim.id)).lifecycle, (await get(id)).lifecycle]).toEqual(['revoked', 'revoked']);
  });
});
