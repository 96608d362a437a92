import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { type Answer, eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslVerify } from '../support/requests.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import type { Json } from '../support/json.js';

const issuer = new ScriptedCa();
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, issuer.plugin] });
});
afterAll(() => program.stop());

async function makeAuthority(behaviour: string): Promise<string> {
  const name = `CA ${behaviour}`;
  await program.ok('POST', '/authorities', {
    name,
    owner: 'pki@example.com',
    plugin: { id: 'scripted-ca', options: { ca: `Example ${behaviour}`, behaviour } },
  });
  return name;
}

const request = (authority: string, commonName: string, more: object = {}): object => ({
  owner: 'joe@example.com',
  commonName,
  authority: { name: authority },
  validityDays: 90,
  ...more,
});

const until = (id: number, state: string): Promise<Json> =>
  eventually(async () => {
    const certificate = await program.ok('GET', `/certificates/${id}`);
    return certificate.lifecycle === state && certificate;
  });

describe('an issuer that does not answer at once', () => {
  let old: { id: number; name: string };

  it('is polled while the certificate is pending, and the issued certificate gets the usual name', async () => {
    const authority = await makeAuthority('pending');
    const asked = await program.call(
      'POST',
      '/certificates',
      request(authority, 'slow.example.com', { rotation: true }),
    );
    expect(asked).toMatchObject({
      status: 202,
      body: { lifecycle: 'pending', status: 'unknown', body: null, serial: null, order: { attempts: 0, fault: null } },
    });
    expect(await program.ok('GET', `/certificates/${asked.body.id}/plan`)).toMatchObject({
      willRenew: false,
      reason: 'not-issued',
    });
    expect(
      await program.call('POST', `/certificates/${asked.body.id}/export`, { plugin: { slug: 'pem' } }),
    ).toMatchObject({ status: 409 });
    issuer.deliver();
    const issued = await until(asked.body.id, 'issued');
    expect(issuer.asked.order).toHaveLength(1);
    expect(issuer.asked.poll.length).toBeGreaterThanOrEqual(1);
    const day = (text: string): string => text.slice(0, 10).replaceAll('-', '');
    expect(issued).toMatchObject({
      status: 'valid',
      order: null,
      issuer: 'Examplepending',
      serial: expect.stringMatching(/^\d+$/),
      name: `slow.example.com-Examplepending-${day(issued.notBefore)}-${day(issued.notAfter)}`,
      renewal: { at: expect.any(String) },
      nextNoticeAt: expect.any(String),
    });
    const { authorityCertificate } = await program.ok('GET', `/authorities/${issued.authority.id}`);
    expect(opensslVerify(authorityCertificate.chain, issued)).toContain('OK');
    for (const pem of [issued.body, issued.chain]) expect(pem).toMatch(/^-----BEGIN CERTIFICATE-----\n[^:]+$/);
    old = issued;
  });

  it('issues a second certificate of the same names under a name with its serial number', async () => {
    const second = await program.call('POST', '/certificates', request('CA pending', 'slow.example.com'));
    const issued = await until(second.body.id, 'issued');
    expect(issued.name).toBe(`${old.name}-${issued.serialHex}`);
  });

  it('renews a certificate that is due', async () => {
    program.clock.advance(61 * dayMs);
    const superseded = await until(old.id, 'superseded');
    expect(superseded.replacedBy).toMatchObject([{ lifecycle: 'issued', cn: 'slow.example.com' }]);
  });

  it('lets a reissue answer 202 while the successor is pending', async () => {
    const { body: certificate } = await program.call(
      'POST',
      '/certificates',
      request('CA pending', 'again.example.com'),
    );
    await until(certificate.id, 'issued');
    const reissued = await program.call('POST', `/certificates/${certificate.id}/reissue`);
    expect(reissued.status).toBe(reissued.body.lifecycle === 'issued' ? 200 : 202);
    await until(reissued.body.id, 'issued');
    await until(certificate.id, 'superseded');
  });
});

describe('an issuer whose answer differs from the request', () => {
  it.each([
    ['wrong-key', 'a key other than'],
    ['other-names', 'evil.example.com'],
    ['longer', 'later than requested'],
    ['no-chain', 'chain'],
  ])('(%s) has its answer kept in dispute, and the certificate stays pending', async (behaviour, words) => {
    const authority = await makeAuthority(behaviour);
    const { status, body } = await program.call(
      'POST',
      '/certificates',
      request(authority, `${behaviour}.example.com`),
    );
    expect(status).toBe(202);
    expect(body).toMatchObject({
      lifecycle: 'pending',
      body: null,
      serial: null,
      order: {
        fault: 'disputed',
        detail: expect.stringContaining(words),
        nextAttemptAt: body.order.deadlineAt,
        disputed: { serial: expect.stringMatching(/^\d+$/), reason: body.order.detail },
      },
    });
    expect(body.order.disputed.chain).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
  });
});

describe('an issuer that fails', () => {
  /**
   * Answers to requests that an issuer could not fulfil yet: asked for at the same time, because each answer takes its
   * time.
   */
  let broken: Answer;
  let busy: Answer;
  let turned: Answer;
  let delayed: Answer;
  let turncoatId: number;
  beforeAll(async () => {
    const [breaks, once] = [await makeAuthority('breaks'), await makeAuthority('unavailable-once')];
    turncoatId = (
      await program.ok('POST', '/authorities', {
        name: 'turncoat',
        owner: 'pki@example.com',
        commonName: 'Turncoat',
        plugin: { id: 'scripted-ca', options: { behaviour: 'unavailable-once' } },
      })
    ).id;
    const ask = (authority: string, commonName: string, rotation = false): Promise<Answer> =>
      program.call('POST', '/certificates', request(authority, commonName, { rotation }));
    [broken, busy, turned, delayed] = await Promise.all([
      ask(breaks, 'broken.example.com'),
      ask(once, 'busy.example.com'),
      ask('turncoat', 'kept.example.com', true),
      ask(once, 'delayed.example.com'),
    ]);
  });

  it('and refuses, ends the request as failed', async () => {
    const { body } = await program.call(
      'POST',
      '/certificates',
      request(await makeAuthority('refuses'), 'no.example.com'),
    );
    expect(body).toMatchObject({ lifecycle: 'failed', order: { fault: 'refused', detail: 'The CA says no.' } });
  });

  it('with an internal error, has no detail of the error shown', () => {
    expect(broken.body.order).toMatchObject({ fault: 'internal' });
    expect(JSON.stringify(broken.body)).not.toContain('hunter2');
  });

  it('because it is busy, is asked again for the same order', async () => {
    expect(busy.status).toBe(202);
    expect(busy.body).toMatchObject({
      lifecycle: 'requested',
      order: { attempts: 1, fault: 'unavailable', detail: 'The CA is busy.', nextAttemptAt: expect.any(String) },
    });
    program.clock.advance(60_000);
    expect((await until(busy.body.id, 'issued')).order).toBeNull();
    await Promise.all([turned, delayed].map(({ body }) => until(body.id, 'issued')));
    const repeated = issuer.asked.order.filter((key, i, keys) => keys.indexOf(key) < i);
    expect(new Set(repeated).size).toBeGreaterThanOrEqual(3);
  });

  it('at a renewal, leaves the predecessor active, and the owner is told and the renewal retried', async () => {
    const old = turned.body;
    await program.ok('PUT', `/authorities/${turncoatId}`, {
      owner: 'pki@example.com',
      plugin: { id: 'scripted-ca', options: { behaviour: 'refuses' } },
    });
    program.clock.advance(61 * dayMs);
    const failing = await eventually(async () => {
      const certificate = await program.ok('GET', `/certificates/${old.id}`);
      return certificate.renewal.attempts > 0 && certificate;
    });
    expect(failing).toMatchObject({
      lifecycle: 'issued',
      notify: true,
      renewal: { fault: 'refused', detail: 'The CA says no.', at: expect.any(String) },
    });
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=50')).items.find((one: { subject: string }) =>
        one.subject.startsWith('kept.example.com: renewal failed'),
      ),
    );
    expect(mail).toMatchObject({ to: ['joe@example.com'], text: expect.stringContaining('The CA says no.') });
    await program.ok('PUT', `/authorities/${turncoatId}`, {
      owner: 'pki@example.com',
      plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } },
    });
    program.clock.advance(60_000);
    expect(
      (await until(old.id, 'superseded')).replacedBy.map((one: { lifecycle: string }) => one.lifecycle).sort(),
    ).toEqual(['failed', 'issued']);
  });

  it('for a while at a renewal, delays the renewal, and the owner is told', async () => {
    const { id } = delayed.body;
    await program.ok('PUT', `/certificates/${id}`, { rotation: true });
    const waiting = await eventually(async () => {
      const certificate = await program.ok('GET', `/certificates/${id}`);
      return certificate.renewal.fault !== null && certificate;
    });
    expect(waiting).toMatchObject({
      lifecycle: 'issued',
      renewal: { fault: 'unavailable', reason: 'renewal-under-way', at: null },
      replacedBy: [{ lifecycle: 'requested' }],
    });
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=50')).items.find((one: { subject: string }) =>
        one.subject.startsWith('delayed.example.com: renewal failed'),
      ),
    );
    expect(mail.text).toMatch(/The CA is busy\.[\s\S]*The next attempt is /);
    program.clock.advance(60_000);
    expect((await until(id, 'superseded')).renewal).toMatchObject({ attempts: 0, fault: null });
  });

  it('leaves the warnings of the certificate that the failed request was to replace', async () => {
    const { body: old } = await program.call('POST', '/certificates', request('CA pending', 'loud.example.com'));
    await until(old.id, 'issued');
    const { body: failed } = await program.call(
      'POST',
      '/certificates',
      request('CA refuses', 'loud.example.com', { replaces: [{ id: old.id }] }),
    );
    expect(failed.lifecycle).toBe('failed');
    expect(await program.ok('GET', `/certificates/${old.id}`)).toMatchObject({
      notify: true,
      nextNoticeAt: expect.any(String),
    });
    const { body: replacing } = await program.call(
      'POST',
      '/certificates',
      request('CA pending', 'loud.example.com', { replaces: [{ id: old.id }] }),
    );
    await until(replacing.id, 'issued');
    expect(await program.ok('GET', `/certificates/${old.id}`)).toMatchObject({ notify: false, nextNoticeAt: null });
  });
});
