import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../../plugins/index.js';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { AuthorityIssuersJob } from '../../src/authorities/authority-issuers.job.js';
import { buildCsr, parseCsr } from '../../src/pki/csr.js';
import { generatePrivateKey } from '../../src/pki/key.js';
import { signerOf } from '../../src/pki/sign.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type AuthorityMaterial, defineIssuer } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { noKeeping } from '../support/issuer-requests.js';
import type { Json } from '../support/json.js';
import { type Answer, eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslVerify } from '../support/requests.js';

const owner = 'pki@example.com';
const local = localCa.options.parse({});
const ctx = {
  signal: AbortSignal.timeout(600_000),
  now: () => new Date(),
  log: () => undefined,
} as unknown as PluginContext;
const atSecond = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);
/** CAs that are made for the same number of years end at the same second. */
const madeAt = Date.now();

/** A CA that exists elsewhere: a root and CAs below it, of which it tells some and issues with one. */
class OutsideCa {
  readonly cas = new Map<string, AuthorityMaterial>();
  /** Null: it cannot be asked. */
  told: readonly string[] | null = [];
  issuesWith = '';
  asked = 0;

  async make(name: string, years: number, parent?: string): Promise<AuthorityMaterial> {
    const signer = signerOf(await generatePrivateKey('ECCPRIME256V1'));
    const [notBefore, notAfter] = [madeAt - dayMs, madeAt + years * 365 * dayMs].map(atSecond) as [Date, Date];
    const above = parent === undefined ? undefined : this.cas.get(parent);
    const request = { subject: { commonName: name }, notBefore, notAfter, signer, parent: above };
    const [certificatePem = '', ...chainPem] = (await localCa.createAuthority?.(request, local, ctx))?.chainPem ?? [];
    const made = { cacheKey: name, certificatePem, chainPem, signer };
    this.cas.set(name, made);
    return made;
  }

  chainOf(name: string): string[] {
    const { certificatePem, chainPem } = this.cas.get(name) as AuthorityMaterial;
    return [certificatePem, ...chainPem];
  }

  /** A certificate that this program did not order, and its chain. */
  async mint(ca: string, commonName: string): Promise<readonly string[]> {
    const csrPem = await buildCsr(
      { subject: { commonName }, subjectAltNames: [] },
      await generatePrivateKey('ECCPRIME256V1'),
    );
    const [notBefore, notAfter] = [Date.now() - dayMs, Date.now() + 30 * dayMs].map(atSecond) as [Date, Date];
    const terms = {
      subject: { commonName },
      subjectAltNames: [{ type: 'dns' as const, value: commonName }],
      keyUsage: [],
      extendedKeyUsage: [],
      extensions: [],
      notBefore,
      notAfter,
    };
    const request = { csrPem, spkiDer: parseCsr(csrPem).spkiDer, terms, idempotencyKey: commonName };
    const authority = this.cas.get(ca) as AuthorityMaterial;
    const outcome = await localCa.order({ request, authority, ...noKeeping }, local, ctx);
    return outcome.status === 'issued' ? outcome.chainPem : [];
  }

  plugin(id: string, { tells = false, subordinates = false }) {
    return defineIssuer({
      id,
      title: 'Outside CA',
      description: 'Has its key elsewhere.',
      options: z.strictObject({}),
      answers: 'later',
      ...(subordinates && { allows: { subordinates } }),
      ...(tells && { describe: () => this.describe() }),
      order: (request, _, context) => {
        if (request.authority.signer) throw new PluginError('refused', 'The key of an outside CA is not here.');
        const authority = this.cas.get(this.issuesWith) as AuthorityMaterial;
        return localCa.order({ ...request, authority }, local, context);
      },
    });
  }

  private async describe(): Promise<{ issuers: { chainPem: string[] }[] }> {
    this.asked += 1;
    if (!this.told) throw new PluginError('unavailable', 'The CA does not answer.');
    return { issuers: this.told.map((name) => ({ chainPem: this.chainOf(name) })) };
  }
}

const outside = new OutsideCa();
let program: TestProgram;
beforeAll(async () => {
  await outside.make('Outside Root', 20);
  await outside.make('One', 5, 'Outside Root');
  await outside.make('Two', 6, 'Outside Root');
  await outside.make('Other Root', 20);
  await outside.make('Stranger', 5, 'Other Root');
  [outside.told, outside.issuesWith] = [['One'], 'One'];
  const added = [
    outside.plugin('telling-ca', { tells: true }),
    outside.plugin('silent-ca', {}),
    outside.plugin('changing-ca', { subordinates: true }),
  ];
  program = await startProgram({}, { plugins: [...plugins, ...added] });
  // The periodic task counts as done for the next hour: only this file decides when the CA is asked.
  await program.database.source.query(
    `insert into periodic_task (name, last_started_at) values ('authority-issuers', now()) on conflict do nothing`,
  );
});
afterAll(() => program.stop());

const keys = async (): Promise<number> =>
  (await program.database.source.query('select count(*)::int as count from signing_key'))[0].count;
const register = (name: string, plugin: string, more: object = {}): Promise<Answer> =>
  program.call('POST', '/authorities', { name, owner, plugin: { id: plugin }, ...more });
const order = (authority: string, commonName: string): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: authority },
    validityDays: 30,
  });
const settled = (id: number): Promise<Json> =>
  eventually(async () => {
    const certificate = await program.ok('GET', `/certificates/${id}`);
    return (
      (certificate.lifecycle === 'issued' || certificate.order?.fault || certificate.lifecycle === 'failed') &&
      certificate
    );
  });
const subjectsOf = async (id: number): Promise<[string, string, boolean][]> =>
  (await program.ok('GET', `/authorities/${id}/issuers`)).items.map((one: Json) => [
    one.subject,
    one.origin,
    one.current,
  ]);
const eventsOf = (id: number): Promise<Json[]> =>
  program.database.source.query(
    `select actor_name as actor, after from audit_event
       where action = 'authority.issuers-added' and target_id = $1 order by id`,
    [String(id)],
  );

describe('an authority whose CA is an external one', () => {
  let telling: number;
  let silent: number;

  it('is registered with the certificates that its issuer lists, and no key is generated', async () => {
    const { status, body } = await register('telling', 'telling-ca', { commonName: 'ignored' });
    expect([status, body.authorityCertificate.cn, body.authorityCertificate.body]).toEqual([
      200,
      'One',
      outside.chainOf('One')[0],
    ]);
    telling = body.id;
    expect(await subjectsOf(telling)).toEqual([['CN=One', 'described', true]]);
    expect(await keys()).toBe(0);
  });

  it('is registered with an uploaded certificate and its chain in any order, and no key is generated', async () => {
    const [one = '', root = ''] = outside.chainOf('One');
    const { status, body } = await register('silent', 'silent-ca', { chain: `a note\n${one}${root}` });
    expect([status, body.authorityCertificate.chain]).toEqual([200, root]);
    silent = body.id;
    expect(await subjectsOf(silent)).toEqual([['CN=One', 'uploaded', true]]);
    expect(await keys()).toBe(0);
  });

  it('is refused without a certificate, with one that is no CA, or under a parent that did not sign it', async () => {
    const { body: certificate } = await settled((await order('telling', 'leaf.example.com')).id);
    const [one = '', ,] = outside.chainOf('One');
    const reasons = async (more: object, plugin = 'silent-ca') => {
      const { status, body } = await register('refused', plugin, more);
      return [status, body.reasons];
    };
    expect(await reasons({})).toEqual([400, { chain: [expect.stringContaining('send the certificate')] }]);
    expect(await reasons({ chain: certificate })).toEqual([
      400,
      { chain: [expect.stringContaining('not a CA certificate')] },
    ]);
    expect(await reasons({ chain: one + (outside.chainOf('Other Root')[0] ?? '') })).toEqual([
      400,
      { chain: [expect.stringContaining('is not signed by')] },
    ]);
    expect(await reasons({ chain: one, commonName: 'x' }, 'local-ca')).toEqual([400, { chain: [expect.any(String)] }]);
    expect(
      await reasons({ chain: outside.chainOf('Stranger').join(''), type: 'subca', parent: { name: 'telling' } }),
    ).toEqual([400, { parent: [expect.any(String)] }]);
  });

  it('issues certificates that verify against its root', async () => {
    const issued = await settled((await order('silent', 'www.example.com')).id);
    expect(issued).toMatchObject({ lifecycle: 'issued', issuer: 'One' });
    expect(opensslVerify(outside.chainOf('Outside Root')[0] ?? '', issued)).toContain('OK');
  });

  it.each(['Stranger', 'Two'])(
    'keeps an answer in dispute that a CA (%s) outside its issuing certificates signed',
    async (ca) => {
      outside.issuesWith = ca;
      const answered = await settled((await order('telling', `early-${ca.toLowerCase()}.example.com`)).id);
      expect(answered).toMatchObject({
        lifecycle: 'pending',
        order: { fault: 'disputed', detail: expect.stringContaining('authority telling issues with') },
      });
    },
  );

  it('accepts subordinate CAs of its root when its CA changes them without notice', async () => {
    await outside.make('New Subordinate', 3, 'Outside Root');
    outside.issuesWith = 'New Subordinate';
    await register('public', 'changing-ca', { chain: outside.chainOf('Outside Root').join('') });
    expect(await settled((await order('public', 'public.example.com')).id)).toMatchObject({
      lifecycle: 'issued',
      issuer: 'NewSubordinate',
    });
    outside.issuesWith = 'Stranger';
    expect((await settled((await order('public', 'strange.example.com')).id)).order.fault).toBe('disputed');
  });

  it('learns new issuing certificates on request, and accepts certificates that they signed', async () => {
    outside.told = ['One', 'Two', 'Stranger'];
    await program.ok('POST', `/authorities/${telling}/issuers/refresh`);
    // The one that ends last is the authority's own now.
    expect(await subjectsOf(telling)).toEqual([
      ['CN=Two', 'described', true],
      ['CN=One', 'described', false],
      ['CN=Stranger', 'described', false],
    ]);
    expect(await settled((await order('telling', 'late.example.com')).id)).toMatchObject({
      lifecycle: 'issued',
      issuer: 'Stranger',
    });
    expect(await eventsOf(telling)).toMatchObject([
      { actor: 'admin', after: { origin: 'described', issuers: [{ subject: 'CN=Two' }, { subject: 'CN=Stranger' }] } },
    ]);
    await program.ok('POST', `/authorities/${telling}/issuers/refresh`);
    expect(await eventsOf(telling)).toHaveLength(1);
  });

  it('takes an issuing certificate that a user uploads', async () => {
    const before = await eventsOf(silent);
    await program.ok('POST', `/authorities/${silent}/issuers`, { chain: outside.chainOf('Stranger').join('') });
    expect(await subjectsOf(silent)).toEqual([
      ['CN=One', 'uploaded', true],
      ['CN=Stranger', 'uploaded', false],
    ]);
    expect([before, await eventsOf(silent)]).toMatchObject([[], [{ actor: 'admin', after: { origin: 'uploaded' } }]]);
    const issued = await settled((await order('silent', 'stranger.example.com')).id);
    expect(issued).toMatchObject({ lifecycle: 'issued', issuer: 'Stranger' });
  });

  it('issues a certificate in dispute as soon as it has the certificate that signed it', async () => {
    await outside.make('Later', 4, 'Outside Root');
    outside.issuesWith = 'Later';
    const disputed = await settled((await order('silent', 'patient.example.com')).id);
    expect(disputed).toMatchObject({ lifecycle: 'pending', order: { fault: 'disputed' } });
    await program.ok('POST', `/authorities/${silent}/issuers`, { chain: outside.chainOf('Later').join('') });
    const issued = await eventually(async () => {
      const certificate = await program.ok('GET', `/certificates/${disputed.id}`);
      return certificate.lifecycle === 'issued' && certificate;
    });
    expect(issued).toMatchObject({ issuer: 'Later', serial: disputed.order.disputed.serial, withdrawals: [] });
    outside.issuesWith = 'Stranger';
  });

  it('takes an upload that one of its issuing certificates signed, and refuses others', async () => {
    const upload = async (ca: string) => {
      const [body, ...chain] = await outside.mint(ca, `by-${ca.toLowerCase()}.example.com`);
      const request = { owner: 'joe@example.com', body, chain: chain.join(''), authority: { name: 'silent' } };
      return program.call('POST', '/certificates/upload', request);
    };
    expect(await upload('Stranger')).toMatchObject({ status: 200, body: { authority: { name: 'silent' } } });
    expect(await upload('Two')).toMatchObject({ status: 400, body: { reasons: { authority: [expect.any(String)] } } });
  });

  it('refuses to refresh its issuing certificates when its issuer cannot list them, with the reason', async () => {
    expect(await program.call('POST', `/authorities/${silent}/issuers/refresh`)).toMatchObject({
      status: 400,
      body: { detail: 'Outside CA cannot be asked for its certificates: upload them.' },
    });
  });

  it('is refreshed by periodic work as well, unless it is not active', async () => {
    await outside.make('Three', 7, 'Outside Root');
    outside.told = ['Three'];
    const sweep = (): Promise<number> =>
      program.database.db.write((tx) => program.perennial.app.get(AuthorityIssuersJob, { strict: false }).sweep(tx));
    await program.ok('PUT', `/authorities/${telling}`, { owner, active: false });
    const before = outside.asked;
    await sweep();
    expect((await program.ok('GET', '/jobs?job=authority.describe&state=due')).total).toBe(0);
    await program.ok('PUT', `/authorities/${telling}`, { owner, active: true });
    await sweep();
    await eventually(async () => (await subjectsOf(telling)).length === 4);
    expect(outside.asked).toBeGreaterThan(before);
    expect((await eventsOf(telling)).at(-1)).toMatchObject({ actor: 'system' });
  });
});

describe('an answer that an unknown certificate signed', () => {
  it.each<[string, readonly string[] | null, object]>([
    ['is accepted when the CA tells of it', ['One', 'Stranger'], { lifecycle: 'issued', issuer: 'Stranger' }],
    ['is in dispute when the CA does not', ['One'], { lifecycle: 'pending', order: { fault: 'disputed' } }],
    ['is in dispute when the CA cannot be asked', null, { lifecycle: 'pending', order: { fault: 'disputed' } }],
  ])('lets the CA be asked at once, and %s', async (how, told, expected) => {
    [outside.told, outside.issuesWith] = [['One'], 'Stranger'];
    const name = `curious-${how.length}`;
    const { body } = await register(name, 'telling-ca');
    const before = outside.asked;
    outside.told = told;
    const answered = await settled((await order(name, `${name}.example.com`)).id);
    expect(answered).toMatchObject(expected);
    expect(outside.asked).toBe(before + 1);
    expect(await eventsOf(body.id)).toMatchObject(
      answered.lifecycle === 'issued'
        ? [{ actor: 'system', after: { origin: 'described', issuers: [{ subject: 'CN=Stranger' }] } }]
        : [],
    );
  });
});

describe('an authority whose key is stored here', () => {
  it('has its own certificate only, and takes none for another key', async () => {
    const { id, authorityCertificate } = await program.ok('POST', '/authorities', {
      name: 'ours',
      owner,
      commonName: 'Ours',
    });
    expect((await program.ok('GET', `/authorities/${id}/issuers`)).items).toMatchObject([
      { current: true, origin: 'created', user: 'admin', body: authorityCertificate.body },
    ]);
    const chain = outside.chainOf('One').join('');
    for (const [path, body, status] of [
      ['issuers', { chain }, 400],
      ['issuers/refresh', undefined, 409],
    ] as const)
      expect((await program.call('POST', `/authorities/${id}/${path}`, body)).status).toBe(status);
  });

  it('needs a common name', async () => {
    expect(await program.call('POST', '/authorities', { name: 'nameless', owner })).toMatchObject({
      status: 400,
      body: { reasons: { commonName: [expect.any(String)] } },
    });
  });
});
