import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
let ann: string;
let bob: string;
let certificate: number;

const plugin = (recipients = 'ops@example.com', interval = 20) => ({ id: 'email', options: { recipients, interval, unit: 'days' } });
const labels = async (id = certificate): Promise<string[]> =>
  (await program.ok('GET', `/certificates/${id}/notifications`)).items.map(({ label }: { label: string }) => label).sort();
const defaults = [10, 2].map((days) => `DEFAULT_JOE@EXAMPLE.COM_${days}_DAY`);

async function signUp(username: string, ...roles: string[]): Promise<string> {
  await program.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles: roles.map((name) => ({ name })) });
  return program.login(username, password);
}

beforeAll(async () => {
  program = await startProgram({ NOTICE_DAYS: '10,2' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  certificate = (await program.ok('POST', '/certificates', { owner: 'joe@example.com', commonName: 'a.example.com', authority: { name: 'root' }, validityDays: 90 })).id;
  ann = await signUp('ann', 'joe@example.com');
  bob = await signUp('bob');
});
afterAll(() => program.stop());

describe('notifications', () => {
  let mine: number;

  it('are made by anyone who may write, for certificates that they look after', async () => {
    const { status, body } = await program.call('POST', '/notifications', { label: 'anns', plugin: plugin(), certificates: [{ id: certificate }] }, { token: ann });
    expect(status).toBe(200);
    mine = body.id;
    expect(await labels()).toEqual([...defaults, 'anns'].sort());
    expect((await program.call('POST', '/notifications', { label: 'bobs', plugin: plugin(), certificates: [{ id: certificate }] }, { token: bob })).status).toBe(403);
    expect((await program.ok('GET', '/notifications?filter=label;bobs')).total).toBe(0);
    expect((await program.call('POST', '/notifications', { label: 'x', plugin: plugin(), certificates: [{ id: 4711 }] })).body.reasons).toHaveProperty(['certificates.0']);
  });

  it('are planned for what they watch', async () => {
    const { notAfter } = await program.ok('GET', `/certificates/${certificate}`);
    await eventually(async () => Date.parse((await program.ok('GET', `/certificates/${certificate}`)).nextNoticeAt) === Date.parse(notAfter) - 20 * 86_400_000);
  });

  it('are changed and deleted by who made them and those who run the program alone', async () => {
    for (const [method, body] of [['PUT', { label: 'stolen', plugin: plugin() }], ['DELETE', undefined]] as const) {
      expect((await program.call(method, `/notifications/${mine}`, body, { token: bob })).status).toBe(403);
    }
    expect((await program.call('POST', `/notifications/${mine}/test`, undefined, { token: bob })).status).toBe(403);
    expect((await program.call('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin() }, { token: ann })).body.label).toBe('anns own');
  });

  it('send a test message to those whom they would warn', async () => {
    expect((await program.call('POST', `/notifications/${mine}/test`, undefined, { token: ann })).body).toEqual({ ok: true, fault: null, detail: null });
    const { items } = await program.ok('GET', '/mails');
    expect(items[0]).toMatchObject({ subject: 'Test of anns own', to: ['ops@example.com'] });
  });

  it('say why a test message did not go out', async () => {
    const { id } = await program.ok('POST', '/notifications', { label: 'nowhere', plugin: { id: 'email', options: { recipients: 'ops@example.com' } } });
    await program.database.source.query(`update notification set plugin_id = 'gone' where id = $1`, [id]);
    expect((await program.call('POST', `/notifications/${id}/test`)).status).toBeLessThan(500);
    await program.database.source.query('delete from notification where id = $1', [id]);
  });

  it('never leave a certificate that is watched without a warning', async () => {
    const { items } = await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE');
    for (const { id } of items) await program.ok('DELETE', `/notifications/${id}`);
    expect(await labels()).toEqual(['anns own']);
    await program.ok('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin(), active: false });
    expect(await labels()).toEqual([...defaults, 'anns own'].sort());
    await program.ok('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin() });
    for (const { id } of (await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE')).items) await program.ok('DELETE', `/notifications/${id}`);
    await program.ok('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin(), removedCertificates: [{ id: certificate }] });
    expect(await labels()).toEqual([...defaults].sort());
    const [last, first] = (await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE&sortBy=id&sortDir=asc')).items;
    await program.ok('DELETE', `/notifications/${first.id}`);
    await program.ok('DELETE', `/notifications/${last.id}`);
    expect(await labels()).toEqual([...defaults].sort());
    await eventually(async () => (await program.ok('GET', `/certificates/${certificate}`)).nextNoticeAt !== null);
  });

  it('keep their defaults when those are what a certificate would be left with, but switched off', async () => {
    const { items } = await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE');
    await program.ok('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin(), addedCertificates: [{ id: certificate }] });
    for (const { id, label, plugin: { slug, options } } of items) await program.ok('PUT', `/notifications/${id}`, { label, plugin: { id: slug, options }, active: false });
    expect(await program.call('DELETE', `/notifications/${mine}`)).toMatchObject({ status: 409, body: { detail: expect.stringContaining('joe@example.com') } });
    await program.ok('POST', `/certificates/${certificate}/update/switches`, { notify: false });
    expect((await program.call('DELETE', `/notifications/${mine}`)).status).toBe(204);
  });
});
