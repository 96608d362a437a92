import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
let ann: string;
let bob: string;
let certificate: number;

const plugin = (recipients = 'ops@example.com', interval = 20) => ({
  id: 'email',
  options: { recipients, interval, unit: 'days' },
});
const labels = async (id = certificate): Promise<string[]> =>
  (await program.ok('GET', `/certificates/${id}/notifications`)).items
    .map(({ label }: { label: string }) => label)
    .sort();
const defaults = [10, 2].map((days) => `DEFAULT_JOE@EXAMPLE.COM_${days}_DAY`);

async function signUp(username: string, ...roles: string[]): Promise<string> {
  await program.ok('POST', '/users', {
    username,
    email: `${username}@example.com`,
    password,
    roles: roles.map((name) => ({ name })),
  });
  return program.login(username, password);
}

beforeAll(async () => {
  program = await startProgram({ NOTICE_DAYS: '10,2', NOTIFICATION_RECIPIENT_DOMAINS: 'example.com' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  certificate = (
    await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { name: 'root' },
      validityDays: 90,
    })
  ).id;
  ann = await signUp('ann', 'joe@example.com');
  bob = await signUp('bob');
});
afterAll(() => program.stop());

describe('notifications', () => {
  let mine: number;

  it('are created by users for certificates that they may change, and refused for others', async () => {
    const { status, body } = await program.call(
      'POST',
      '/notifications',
      { label: 'anns', plugin: plugin(), certificates: [{ id: certificate }] },
      { token: ann },
    );
    expect(status).toBe(200);
    mine = body.id;
    expect(await labels()).toEqual([...defaults, 'anns'].sort());
    expect(
      (
        await program.call(
          'POST',
          '/notifications',
          { label: 'bobs', plugin: plugin(), certificates: [{ id: certificate }] },
          { token: bob },
        )
      ).status,
    ).toBe(403);
    expect((await program.ok('GET', '/notifications?filter=label;bobs')).total).toBe(0);
    expect(
      (await program.call('POST', '/notifications', { label: 'x', plugin: plugin(), certificates: [{ id: 4711 }] }))
        .body.reasons,
    ).toHaveProperty(['certificates.0']);
  });

  it('set the next notice of the certificates that they watch', async () => {
    const { notAfter } = await program.ok('GET', `/certificates/${certificate}`);
    await eventually(
      async () =>
        Date.parse((await program.ok('GET', `/certificates/${certificate}`)).nextNoticeAt) ===
        Date.parse(notAfter) - 20 * 86_400_000,
    );
  });

  it('are changed, deleted and tested by their creator, and not by other ordinary users', async () => {
    for (const [method, body] of [
      ['PUT', { label: 'stolen', plugin: plugin() }],
      ['DELETE', undefined],
    ] as const) {
      expect((await program.call(method, `/notifications/${mine}`, body, { token: bob })).status).toBe(403);
    }
    expect((await program.call('POST', `/notifications/${mine}/test`, undefined, { token: bob })).status).toBe(403);
    expect(
      (await program.call('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin() }, { token: ann }))
        .body.label,
    ).toBe('anns own');
  });

  it('send a test message to the recipients for an administrator, and to the creator for the creator', async () => {
    const sent = async (token?: string): Promise<unknown> => {
      expect(
        (await program.call('POST', `/notifications/${mine}/test`, undefined, token === undefined ? {} : { token }))
          .body,
      ).toEqual({ ok: true, fault: null, detail: null });
      return (await program.ok('GET', '/mails')).items[0];
    };
    expect(await sent()).toMatchObject({ subject: 'Test of anns own', to: ['ops@example.com'] });
    expect(await sent(ann)).toMatchObject({ subject: 'Test of anns own', to: ['ann@example.com'] });
  });

  it('send no more than ten test messages of one user in ten minutes', async () => {
    const dan = await signUp('dan');
    const { id } = (await program.call('POST', '/notifications', { label: 'dans', plugin: plugin() }, { token: dan }))
      .body;
    const answers: number[] = [];
    for (let i = 0; i < 11; i += 1)
      answers.push((await program.call('POST', `/notifications/${id}/test`, undefined, { token: dan })).status);
    expect(answers).toEqual([...Array<number>(10).fill(200), 429]);
    program.clock.advance(601_000);
    expect((await program.call('POST', `/notifications/${id}/test`, undefined, { token: dan })).status).toBe(200);
  });

  it('are refused when a recipient is outside the allowed domains', async () => {
    const refused = await program.call(
      'POST',
      '/notifications',
      { label: 'out', plugin: plugin('ops@example.com, eve@evil.example') },
      { token: ann },
    );
    expect(refused).toMatchObject({
      status: 400,
      body: { reasons: { 'plugin.options.recipients': [expect.stringContaining('eve@evil.example')] } },
    });
    expect(
      (
        await program.call(
          'PUT',
          `/notifications/${mine}`,
          { label: 'anns own', plugin: plugin('eve@sub.example.com') },
          { token: ann },
        )
      ).status,
    ).toBe(400);
  });

  it('record in the audit log which certificates were added and removed', async () => {
    const event = async (action: string): Promise<Record<string, unknown>> =>
      (
        await program.database.source.query<[{ after: Record<string, unknown> }]>(
          'select after from audit_event where action = $1 order by id desc limit 1',
          [action],
        )
      )[0].after;
    const { id } = await program.ok('POST', '/notifications', {
      label: 'told',
      plugin: plugin(),
      certificates: [{ id: certificate }],
    });
    expect(await event('notification.created')).toMatchObject({ label: 'told', certificatesAdded: [certificate] });
    await program.ok('PUT', `/notifications/${id}`, {
      label: 'told',
      plugin: plugin(),
      removedCertificates: [{ id: certificate }],
    });
    expect(await event('notification.updated')).toMatchObject({ label: 'told', certificatesRemoved: [certificate] });
    await program.ok('DELETE', `/notifications/${id}`);
  });

  it('answer a test message without a server error when their plugin is not installed', async () => {
    const { id } = await program.ok('POST', '/notifications', {
      label: 'nowhere',
      plugin: { id: 'email', options: { recipients: 'ops@example.com' } },
    });
    await program.database.source.query(`update channel set plugin_id = 'gone' where label = 'nowhere'`);
    expect((await program.call('POST', `/notifications/${id}/test`)).status).toBeLessThan(500);
    await program.database.source.query('delete from subscription where id = $1', [id]);
  });

  it('never leave a certificate without a warning when they are deleted, switched off or detached', async () => {
    const { items } = await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE');
    for (const { id } of items) await program.ok('DELETE', `/notifications/${id}`);
    expect(await labels()).toEqual(['anns own']);
    await program.ok('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin(), active: false });
    expect(await labels()).toEqual([...defaults, 'anns own'].sort());
    await program.ok('PUT', `/notifications/${mine}`, { label: 'anns own', plugin: plugin() });
    for (const { id } of (await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE')).items)
      await program.ok('DELETE', `/notifications/${id}`);
    await program.ok('PUT', `/notifications/${mine}`, {
      label: 'anns own',
      plugin: plugin(),
      removedCertificates: [{ id: certificate }],
    });
    expect(await labels()).toEqual([...defaults].sort());
    const [last, first] = (await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE&sortBy=id&sortDir=asc'))
      .items;
    await program.ok('DELETE', `/notifications/${first.id}`);
    await program.ok('DELETE', `/notifications/${last.id}`);
    expect(await labels()).toEqual([...defaults].sort());
    await eventually(async () => (await program.ok('GET', `/certificates/${certificate}`)).nextNoticeAt !== null);
  });

  it('that are switched off do not replace the default warnings of new and imported certificates', async () => {
    const { id } = await program.ok('POST', '/notifications', { label: 'off', plugin: plugin(), active: false });
    const elsewhere = startTestAuthority();
    const [body, chain] = elsewhere.issue('d.example.com').chainPem;
    elsewhere.close();
    const care = { owner: 'kim@example.com', notifications: [{ id }] };
    const made = await program.ok('POST', '/certificates', {
      ...care,
      commonName: 'c.example.com',
      authority: { name: 'root' },
      validityDays: 90,
    });
    const imported = await program.ok('POST', '/certificates/upload', { ...care, body, chain });
    const usual = [10, 2].map((days) => `DEFAULT_KIM@EXAMPLE.COM_${days}_DAY`);
    for (const one of [made, imported]) expect(await labels(one.id)).toEqual([...usual, 'off'].sort());
    expect(Date.parse(made.nextNoticeAt)).toBe(Date.parse(made.notAfter) - 10 * 86_400_000);
  });

  it('cannot be deleted when only default notifications that are switched off would be left', async () => {
    const { items } = await program.ok('GET', '/notifications?filter=label;DEFAULT_JOE');
    await program.ok('PUT', `/notifications/${mine}`, {
      label: 'anns own',
      plugin: plugin(),
      addedCertificates: [{ id: certificate }],
    });
    for (const {
      id,
      label,
      plugin: { slug, options },
    } of items)
      await program.ok('PUT', `/notifications/${id}`, { label, plugin: { id: slug, options }, active: false });
    expect(await program.call('DELETE', `/notifications/${mine}`)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('joe@example.com') },
    });
    await program.ok('POST', `/certificates/${certificate}/update/switches`, { notify: false });
    expect(await program.ok('DELETE', `/notifications/${mine}`)).toEqual({ result: true });
  });
});

describe('default notifications', () => {
  const own = (owner: string, days = 10): string => `DEFAULT_${owner.toUpperCase()}_${days}_DAY`;
  const issued = async (owner: string): Promise<number> =>
    (
      await program.ok('POST', '/certificates', {
        owner,
        commonName: 'b.example.com',
        authority: { name: 'root' },
        validityDays: 90,
      })
    ).id;
  const named = async (
    label: string,
  ): Promise<
    {
      id: number;
      label: string;
      active: boolean;
      builtIn: boolean;
      plugin: { options: { recipients: string; interval: number } };
    }[]
  > => (await program.ok('GET', `/notifications?filter=label;${label}`)).items;

  it('have labels that no user can give to a notification', async () => {
    for (const label of [own('vic@example.com'), 'default_security_10_day', ' Default_x', 'ＤＥＦＡＵＬＴ_x']) {
      expect(
        (await program.call('POST', '/notifications', { label, plugin: plugin('bob@example.com') }, { token: bob }))
          .body.reasons,
        label,
      ).toEqual({ label: [expect.any(String)] });
    }
    const { id } = (await program.call('POST', '/notifications', { label: 'bobs', plugin: plugin() }, { token: bob }))
      .body;
    expect(
      (
        await program.call(
          'PUT',
          `/notifications/${id}`,
          { label: own('vic@example.com'), plugin: plugin() },
          { token: bob },
        )
      ).body.reasons,
    ).toHaveProperty('label');
    expect(
      (await program.call('POST', '/notifications', { label: own('vic@example.com'), plugin: plugin() })).status,
    ).toBe(400);
  });

  it('are used even when a user has a notification with the same label', async () => {
    await program.database.source.query(
      `with way as (insert into channel (label, plugin_id, options, secret_id, origin)
         values ($1, 'email', '{"recipients": "bob@example.com"}', gen_random_uuid(), 'notification') returning id)
       insert into subscription (label, channel_id, events, leads_s, lead_unit, scope, creator_id)
       select $1, way.id, '{certificate.expiring}', '{60}', 'minutes', 'certificates', u.id
         from way, app_user u where username = 'bob'`,
      [own('vic@example.com')],
    );
    const id = await issued('vic@example.com');
    const { items } = await program.ok('GET', `/certificates/${id}/notifications`);
    expect(
      items.map(({ builtIn, plugin: { options } }: { builtIn: boolean; plugin: { options: object } }) => ({
        builtIn,
        options,
      })),
    ).toEqual(
      [10, 2].map((interval) => ({
        builtIn: true,
        options: { interval, unit: 'days', recipients: 'vic@example.com' },
      })),
    );
    // Nor when the owner changes, nor when a certificate would be left without a warning.
    const moved = await issued('joe@example.com');
    await program.ok('PUT', `/certificates/${moved}`, {
      owner: 'vic@example.com',
      destinations: [],
      replaces: [],
      notifications: [],
    });
    const warned = (await program.ok('GET', `/certificates/${moved}/notifications`)).items as { builtIn: boolean }[];
    expect(warned.map(({ builtIn }) => builtIn)).toEqual([true, true]);
    // Who names the label means the program's own.
    const named = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'c.example.com',
      authority: { name: 'root' },
      notifications: [{ label: own('vic@example.com') }],
    });
    expect((await program.ok('GET', `/certificates/${named.id}/notifications`)).items).toMatchObject([
      { builtIn: true },
    ]);
  });

  it('can be switched off and sent to other recipients by operators, and changed in no other way', async () => {
    await issued('zoe@example.com');
    const [mine] = await named(own('zoe@example.com'));
    if (!mine) throw new Error('There is none.');
    const { id, label } = mine;
    const operator = await signUp('otto', 'operator');
    const put = async (body: object, token = operator): Promise<number> =>
      (
        await program.call(
          'PUT',
          `/notifications/${id}`,
          { label, plugin: plugin('zoe@example.com', 10), ...body },
          { token },
        )
      ).status;
    expect(await put({}, await signUp('zoe', 'zoe@example.com'))).toBe(403);
    expect(await put({ label: 'zoes' })).toBe(400);
    expect(
      await put({ plugin: { id: 'email', options: { recipients: 'zoe@example.com', interval: 1, unit: 'minutes' } } }),
    ).toBe(400);
    expect(await put({ plugin: plugin('team@example.com', 10), active: false })).toBe(200);
    expect(await named(own('zoe@example.com'))).toMatchObject([
      { active: false, plugin: { options: { recipients: 'team@example.com', interval: 10 } } },
    ]);
    const {
      plugin: { slug, pluginOptions },
      ...rest
    } = await program.ok('GET', `/notifications/${id}`);
    expect(await put({ ...rest, active: true, plugin: { slug, pluginOptions } })).toBe(200);
  });

  it('warn about a certificate whose only other notification was switched off while it was issued', async () => {
    const { id: gone } = await program.ok('POST', '/notifications', { label: 'gone', plugin: plugin() });
    const { id, notAfter } = await program.ok('POST', '/certificates', {
      owner: 'lea@example.com',
      commonName: 'e.example.com',
      authority: { name: 'root' },
      validityDays: 90,
      notifications: [{ id: gone }],
    });
    await program.database.source.query('update subscription set active = false where id = $1', [gone]);
    program.clock.advance(75 * 86_400_000);
    await eventually(
      async () =>
        Date.parse((await program.ok('GET', `/certificates/${id}`)).nextNoticeAt) ===
        Date.parse(notAfter) - 10 * 86_400_000,
    );
    expect(await labels(id)).toEqual([own('lea@example.com'), own('lea@example.com', 2), 'gone'].sort());
  });
});
