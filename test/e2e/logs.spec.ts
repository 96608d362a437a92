import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram, type TestProgram } from '../support/program.js';
import { execFileSync } from '../support/sync-programs.js';

let program: TestProgram;
let token: string;
let since: string;

beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  token = await program.login('admin', 'Correct-Horse-1!');
  since = new Date().toISOString();
  await program.ok('POST', '/policies', { name: 'weekly', days: 7 });
  await program.ok('POST', '/policies', { name: '=cmd|"x", more', description: 'two\nlines', days: 8 });
});
afterAll(() => program.stop());

const get = (path: string) =>
  fetch(`${program.url}/api/1/logs${path}`, { headers: { authorization: `Bearer ${token}` } });
const lines = async (path: string): Promise<{ id: number; logType: string; after: Record<string, unknown> | null }[]> =>
  (await (await get(path)).text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('the log', () => {
  it('is filtered by action, user and time', async () => {
    const made = await program.ok('GET', '/logs?filter=logType;policy.created');
    expect(made.items.map(({ after }: { after: { name: string } }) => after.name).slice(0, 2)).toEqual([
      '=cmd|"x", more',
      'weekly',
    ]);
    expect((await program.ok('GET', `/logs?from=${since}&filter=targetType;policy`)).total).toBe(2);
    expect(
      (await program.ok('GET', `/logs?to=${since}&filter=targetType;policy`)).items.map(({ id }: { id: number }) => id),
    ).not.toContain(made.items[0].id);
    expect(await program.ok('GET', '/logs?filter=username;nobody')).toEqual({ items: [], total: 0 });
  });

  it('is filtered by the address of a user and the name of a certificate', async () => {
    const { email } = await program.ok('GET', '/auth/me');
    expect((await program.ok('GET', `/logs?filter=user.email;${email}`)).total).toBeGreaterThan(2);
    expect((await program.ok('GET', '/logs?filter=user.email;nobody@example.com')).total).toBe(0);
    await program.ok('POST', '/authorities', {
      name: 'root',
      owner: 'pki@example.com',
      commonName: 'Root',
      plugin: { slug: 'local-ca' },
    });
    const { id, name } = await program.ok('POST', '/certificates', {
      owner: 'web@example.com',
      authority: { name: 'root' },
      commonName: 'a.example.com',
    });
    const { items } = await program.ok('GET', `/logs?filter=certificate.name;${encodeURIComponent(name)}`);
    expect(
      items.map(({ targetType, targetId }: { targetType: string; targetId: string }) => [targetType, targetId]),
    ).toEqual([['certificate', String(id)]]);
    expect((await program.ok('GET', '/logs?filter=certificate.name;unknown')).total).toBe(0);
  });

  it('takes the types of entries and the sort orders of Lemur', async () => {
    const body = execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        '/dev/null',
        '-days',
        '30',
        '-subj',
        '/CN=made-elsewhere',
      ],
      { encoding: 'utf8' },
    );
    const { id } = await program.ok('POST', '/certificates/upload', { owner: 'web@example.com', body });
    const { id: issued } = await program.ok('POST', '/certificates', {
      owner: 'web@example.com',
      authority: { name: 'root' },
      commonName: 'b.example.com',
    });
    await program.ok('PUT', `/certificates/${id}`, { description: 'x' });
    await program.ok('GET', `/certificates/${issued}/key`);
    await program.ok('POST', `/certificates/${issued}/export`, { plugin: { slug: 'openssl-export' } });
    await program.ok('PUT', `/certificates/${issued}/revoke`, {});
    const types = async (logType: string): Promise<string[]> =>
      (await program.ok('GET', `/logs?filter=log_type;${logType}`)).items.map(
        (event: { logType: string; targetId: string }) => `${event.logType} ${event.targetId}`,
      );
    expect(await types('create_cert')).toEqual(
      expect.arrayContaining([`certificate.imported ${id}`, `certificate.issued ${issued}`]),
    );
    expect(await types('update_cert')).toContain(`certificate.updated ${id}`);
    expect(await types('revoke_cert')).toEqual([`certificate.revoked ${issued}`]);
    expect(await types('key_view')).toEqual([`key.exported ${issued}`, `key.viewed ${issued}`]);
    expect(await types('delete_cert')).toEqual([]);
    const ids = async (query: string): Promise<number[]> =>
      (await program.ok('GET', `/logs?count=200&${query}`)).items.map((event: { id: number }) => event.id);
    const newest = await ids('');
    for (const query of ['sortBy=logged_at&sortDir=desc', 'sortBy=id&sortDir=desc', 'sortDir=desc'])
      expect(await ids(query), query).toEqual(newest);
    expect(await ids('sortBy=loggedAt&sortDir=asc')).toEqual(newest.toReversed());
    const first = await program.ok('GET', '/logs?count=3&sortBy=id');
    const second = await program.ok('GET', `/logs?count=3&sortBy=id&after=${first.next}`);
    expect([...first.items, ...second.items].map((event: { id: number }) => event.id)).toEqual(
      newest.toReversed().slice(0, 6),
    );
  });

  it('refuses an unknown filter', async () => {
    for (const path of ['', '/export']) {
      const { status, body } = await program.call('GET', `/logs${path}?filter=hash;x`);
      expect({ status, reason: body.reasons.filter }).toEqual({
        status: 400,
        reason: [expect.stringContaining('user.email, certificate.name')],
      });
    }
  });

  it('answers 404 for a job that is no dead letter, and records nothing', async () => {
    const id = 'd3f1a0f4-58a5-4c3f-9d2e-0a4a3f0c1b2d';
    expect((await program.call('POST', `/jobs/${id}/replay`)).status).toBe(404);
    await program.database.source.query(
      `insert into outbox (id, job, data, state, finished_at) values ($1, 'nothing-runs-this', '{}', 'dead', now())`,
      [id],
    );
    expect((await program.call('POST', `/jobs/${id}/replay`)).status).toBe(204);
    expect(
      (await program.ok('GET', `/logs?filter=targetId;${id}`)).items.map(({ logType }: { logType: string }) => logType),
    ).toEqual(['job.replayed']);
  });
});

describe('the export of the log', () => {
  it('has every event once, oldest first, and its own event last', async () => {
    await program.database.source
      .query(`insert into audit_event (action, target_type, target_id, actor_name, address, request_id)
      select 'bulk.made', 'thing', n, 'x', '', '' from generate_series(1, 2345) n`);
    const response = await get('/export');
    expect(response.headers.get('content-disposition')).toContain('audit-log.ndjson');
    const events = (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [{ count }] = await program.database.source.query(`select count(*)::int from audit_event where id <= $1`, [
      events.at(-1).id,
    ]);
    expect(events).toHaveLength(count);
    expect(new Set(events.map(({ id }) => id)).size).toBe(count);
    expect(events.map(({ id }) => id)).toEqual(events.map(({ id }) => id).toSorted((a, b) => a - b));
    expect(events.at(-1)).toMatchObject({ logType: 'log.exported', after: { format: 'ndjson', filter: null } });
  });

  it('takes the filters of the list', async () => {
    expect((await lines(`/export?from=${since}&filter=targetType;policy`)).map(({ logType }) => logType)).toEqual([
      'policy.created',
      'policy.created',
    ]);
  });

  it('is CSV that another program reads, and holds no formulas', async () => {
    const response = await get('/export?format=csv&filter=targetType;policy');
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const rows = JSON.parse(
      execFileSync(
        'python3',
        [
          '-c',
          'import csv,io,json,sys; print(json.dumps(list(csv.DictReader(io.StringIO(sys.stdin.read(), newline="")))))',
        ],
        { input: await response.text(), encoding: 'utf8' },
      ),
    );
    const { name, description } = JSON.parse(rows.at(-1).after);
    expect([name, description]).toEqual(['=cmd|"x", more', 'two\nlines']);
    await program.database.source
      .query(`insert into audit_event (action, target_type, target_id, actor_name, address, request_id)
      values ('x.y', 'sheet', '=1+1', '-2', '', '')`);
    const sheet = await (await get('/export?format=csv&filter=targetType;sheet')).text();
    expect(sheet.split('\r\n')[1]).toContain(`,'-2,sheet,'=1+1,`);
    await program.database.source.query(
      `insert into audit_event (action, target_type, target_id, actor_name, address, request_id, after)
      values ('x.y', 'odd', E'\u001b]0;x\u0007', E'\u202egnp', E'\t=1', E'\r\n＝1', $1)`,
      [{ name: 'a\u009b2J\u202eb\n' }],
    );
    const odd = await (await get('/export?format=csv&filter=targetType;odd')).text();
    expect(odd.replaceAll('\r\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(odd.trimEnd().split('\r\n')[1]).toContain(
      String.raw`,\u202egnp,odd,\u001b]0;x\u0007,\u0009=1,\u000d\u000a＝1,`,
    );
    expect(odd).toContain(String.raw`"{""name"":""a\u009b2J\u202eb\n""}"`);
  });

  it('is allowed for auditors and administrators only', async () => {
    await program.ok('POST', '/users', {
      username: 'op',
      email: 'op@example.com',
      password: 'Correct-Horse-2!',
      roles: [{ name: 'operator' }],
    });
    const op = await program.login('op', 'Correct-Horse-2!');
    for (const path of ['/logs', '/logs/export'])
      expect((await program.call('GET', path, undefined, { token: op })).status).toBe(403);
    expect((await fetch(`${program.url}/api/1/logs/export`)).status).toBe(401);
  });
});
