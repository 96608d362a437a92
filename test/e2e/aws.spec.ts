import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeIam, IAM_DEFAULTS, startIam } from '../fakes/iam-server.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import type { Json } from '../support/json.js';

let iam: FakeIam;
let program: TestProgram;
beforeAll(async () => {
  iam = await startIam({ quota: 3 });
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await prepare(program);
});
afterAll(async () => {
  await program.stop();
  await iam.close();
});

const options = (more: object = {}, { url }: FakeIam = iam): object => ({
  accountNumber: IAM_DEFAULTS.accountNumber,
  accessKeyId: IAM_DEFAULTS.accessKeyId,
  secretAccessKey: IAM_DEFAULTS.secretAccessKey,
  endpoint: url,
  path: '/perennial/',
  ...more,
});
async function prepare({ ok }: TestProgram, at: FakeIam = iam): Promise<void> {
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await ok('POST', '/authorities', {
    name: 'issuing',
    type: 'subca',
    parent: { name: 'root' },
    owner: 'pki@example.com',
    commonName: 'Example Issuing',
  });
  await ok('POST', '/destinations', { label: 'iam', plugin: { id: 'aws-iam', options: options({}, at) } });
}
const issue = ({ ok }: TestProgram, commonName: string, label = 'iam'): Promise<Json> =>
  ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'issuing' },
    validityDays: 90,
    rotation: true,
    destinations: [{ label }],
  });
const deliveryOf = async ({ ok }: TestProgram, id: number): Promise<Json> =>
  (await ok('GET', `/certificates/${id}/deliveries`)).items[0];
const inState = (on: TestProgram, id: number, state: string): Promise<Json> =>
  eventually(async () => {
    const delivery = await deliveryOf(on, id);
    return delivery?.state === state && delivery;
  });

describe('certificates in AWS IAM', () => {
  let first: Json;

  it('arrive with chain and key, without the root', async () => {
    first = await issue(program, 'www.example.com');
    const { location } = await inState(program, first.id, 'delivered');
    const [held, ...others] = iam.certificates();
    expect(others).toEqual([]);
    expect(location).toBe(`arn:aws:iam::${IAM_DEFAULTS.accountNumber}:server-certificate/perennial/${first.name}`);
    expect(held).toMatchObject({ arn: location, name: first.name, path: '/perennial/' });
    expect(new X509Certificate(held?.body ?? '').fingerprint256).toBe(new X509Certificate(first.body).fingerprint256);
    expect(new X509Certificate(held?.body ?? '').checkPrivateKey(createPrivateKey(held?.privateKey ?? ''))).toBe(true);
    expect(held?.chain?.match(/BEGIN/g)).toHaveLength(1);
  });

  it('never show the secret access key of the destination', async () => {
    const { id } = (await program.ok('GET', '/destinations?filter=label;iam')).items[0];
    const shown = await program.ok('GET', `/destinations/${id}`);
    expect(shown.plugin).toMatchObject({
      slug: 'aws-destination',
      secretsSet: ['secretAccessKey'],
      options: { accessKeyId: IAM_DEFAULTS.accessKeyId },
    });
    for (const path of ['/destinations', '/logs?count=200', '/jobs?count=200'])
      expect(JSON.stringify(await program.ok('GET', path))).not.toContain(IAM_DEFAULTS.secretAccessKey);
    const [row] = await program.database.source.query('select row_to_json(d)::text as text from destination d');
    expect(row.text).not.toContain(IAM_DEFAULTS.secretAccessKey);
    expect(await program.ok('POST', `/destinations/${id}/test`)).toEqual({ ok: true, fault: null, detail: null });
  });

  it('are renewed under a new name, and the predecessor stays until nothing uses it', async () => {
    program.clock.advance(61 * dayMs);
    const brief = await eventually(async () => (await program.ok('GET', `/certificates/${first.id}`)).replacedBy[0]);
    await inState(program, brief.id, 'delivered');
    await eventually(async () => (await program.ok('GET', `/certificates/${first.id}`)).lifecycle === 'superseded');
    expect(iam.certificates().map(({ name }) => name)).toEqual([first.name, brief.name]);
    await program.ok('PUT', `/certificates/${first.id}`, { destinations: [] });
    await inState(program, first.id, 'removed');
    expect(iam.certificates().map(({ name }) => name)).toEqual([brief.name]);
  });

  it('are uploaded once although the answer to the upload is lost', async () => {
    iam.fail({ action: 'UploadServerCertificate', kind: 'loseAnswer' });
    const lost = await issue(program, 'lost.example.com');
    await eventually(async () => {
      program.clock.advance(60_000);
      return (await deliveryOf(program, lost.id)).state === 'delivered';
    });
    expect(iam.certificates().filter(({ name }) => name === lost.name)).toHaveLength(1);
    await program.ok('PUT', `/certificates/${lost.id}`, { destinations: [] });
    await inState(program, lost.id, 'removed');
  });

  it('are not uploaded while the quota is used up, and the delivery says so', async () => {
    const [a, b] = [await issue(program, 'a.example.com'), await issue(program, 'b.example.com')];
    for (const { id } of [a, b]) await inState(program, id, 'delivered');
    const waiting = await issue(program, 'c.example.com');
    const failing = await inState(program, waiting.id, 'failing');
    expect(failing).toMatchObject({ fault: 'unavailable', detail: expect.stringMatching(/quota/) });
    await program.ok('PUT', `/certificates/${a.id}`, { destinations: [] });
    await inState(program, a.id, 'removed');
    await program.ok('POST', `/deliveries/${failing.id}/retry`);
    await inState(program, waiting.id, 'delivered');
  });

  it('are not uploaded with wrong credentials until these are corrected', async () => {
    const { ok } = program;
    const [{ id: waitingId }] = (await ok('GET', '/certificates?filter=cn;c.example.com')).items;
    await ok('PUT', `/certificates/${waitingId}`, { destinations: [] });
    await inState(program, waitingId, 'removed');
    const { id } = await ok('POST', '/destinations', {
      label: 'wrong',
      plugin: { id: 'aws-iam', options: options({ secretAccessKey: 'wrong', path: '/wrong/' }) },
    });
    expect(await ok('POST', `/destinations/${id}/test`)).toMatchObject({
      ok: false,
      fault: 'misconfigured',
      detail: expect.any(String),
    });
    const certificate = await issue(program, 'd.example.com', 'wrong');
    const failing = await inState(program, certificate.id, 'failing');
    expect(failing).toMatchObject({
      fault: 'misconfigured',
      detail: expect.stringMatching(/credential|signature|SignatureDoesNotMatch/i),
    });

    await ok('PUT', `/destinations/${id}`, {
      label: 'wrong',
      plugin: { id: 'aws-iam', options: options({ path: '/wrong/' }) },
    });
    await ok('POST', `/deliveries/${failing.id}/retry`);
    expect((await inState(program, certificate.id, 'delivered')).location).toContain('/wrong/');
  });

  it('are never uploaded to another account than the destination names', async () => {
    const { ok } = program;
    await ok('POST', '/destinations', {
      label: 'elsewhere',
      plugin: { id: 'aws-iam', options: options({ accountNumber: '999999999999' }) },
    });
    const [{ id: freed }] = (await ok('GET', '/certificates?filter=cn;b.example.com')).items;
    await ok('PUT', `/certificates/${freed}`, { destinations: [] });
    await inState(program, freed, 'removed');
    const { id, name } = await issue(program, 'e.example.com', 'elsewhere');
    expect(await inState(program, id, 'failing')).toMatchObject({
      fault: 'misconfigured',
      detail: expect.stringContaining('999999999999'),
    });
    expect(iam.certificates().map((held) => held.name)).not.toContain(name);
  });
});

describe('a private endpoint that ALLOWED_PRIVATE_HOSTS does not name', () => {
  it('gets no request', async () => {
    const guarded = await startProgram();
    // One of its own: the other program goes on with its deliveries.
    const unasked = await startIam({ quota: 3 });
    try {
      await prepare(guarded, unasked);
      const { id } = await issue(guarded, 'www.example.com');
      expect(await inState(guarded, id, 'failing')).toMatchObject({
        fault: 'misconfigured',
        detail: expect.stringContaining('ALLOWED_PRIVATE_HOSTS'),
      });
      expect(unasked.actions()).toEqual([]);
    } finally {
      await guarded.stop();
      await unasked.close();
    }
  });
});
