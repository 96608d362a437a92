import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/child.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';

const owner = 'web@example.com';
const secrets = { ENCRYPTION_KEYS: `main:${Buffer.alloc(32, 7).toString('base64')}`, TOKEN_SECRETS: 'x'.repeat(40) };
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram(secrets);
});
afterAll(() => program.stop());

const tls = (options: object = { hosts: ['a.test'] }): object => ({ id: 'tls-endpoints', options });
const source = async (label: string, plugin = tls()): Promise<number> =>
  (await program.ok('POST', '/sources', { label, owner, active: false, plugin })).id;
const add = (id: number, csv: string, more: object = {}) =>
  program.call('POST', `/sources/${id}/targets`, { csv, ...more });
const hosts = async (id: number): Promise<string[]> => (await program.ok('GET', `/sources/${id}`)).plugin.options.hosts;
const events = async (id: number): Promise<string[]> =>
  (await program.ok('GET', '/logs?count=200')).items
    .filter((one: Json) => one.targetType === 'source' && one.targetId === String(id))
    .map((one: Json) => one.logType);

describe('a CSV file of hosts', () => {
  it('adds each host once to a source, in any order of the columns, and nothing when it is repeated', async () => {
    const id = await source('table');
    const lines = [
      'Port, host,servername',
      ',A.test,',
      '8443,192.0.2.7,shop.test',
      '"","b.test",""',
      '8443,192.0.2.7,Shop.test',
    ];
    const csv = `\ufeff${lines.join('\r\n')}\r\n`;
    const expected = { lines: 4, added: ['shop.test@192.0.2.7:8443', 'b.test'], known: 2, label: 'table' };
    expect((await add(id, csv, { dryRun: true })).body).toEqual({ dryRun: true, sourceId: id, ...expected });
    expect(await hosts(id)).toEqual(['a.test']);
    expect(await events(id)).toEqual(['source.created']);
    expect((await add(id, csv)).body).toEqual({ dryRun: false, sourceId: id, ...expected });
    expect(await hosts(id)).toEqual(['a.test', 'shop.test@192.0.2.7:8443', 'b.test']);
    expect((await add(id, csv)).body).toMatchObject({ added: [], known: 4 });
    expect(await events(id)).toEqual(['source.updated', 'source.created']);
  });

  it('is refused as a whole, with the faults of all lines', async () => {
    const id = await source('faults');
    const csv = 'host,port\nb.test,1\nc.test,99999\nd.test\nx y,2\n"e.test" z,1\nf.test,0\n';
    const { status, body } = await add(id, csv);
    expect([status, body.reasons.csv]).toEqual([
      400,
      [
        expect.stringMatching(/^Line 3: port: /),
        'Line 4: It has 1 fields; there are 2 columns.',
        expect.stringMatching(/^Line 5: host: must be a host name/),
        'Line 6: There is text behind a closing quote. The lines after it were not read.',
      ],
    ]);
    expect(await hosts(id)).toEqual(['a.test']);
    const reasons = async (text: string): Promise<string[]> => (await add(id, text)).body.reasons.csv;
    expect(await reasons('host;port\na;1\n')).toEqual([
      'Line 1: There is no column "host;port"; there are host, port, servername, starttls.',
      'Line 1: The column host is missing.',
    ]);
    expect(await reasons('host,host\na,b\n')).toEqual(['Line 1: The column host is there twice.']);
    expect(await reasons('\n\n')).toEqual(['Line 1: It has no columns.']);
    expect(await reasons('host\n')).toEqual(['It has no line below the names of the columns.']);
    expect(await reasons(`host\n${'x y\n'.repeat(150)}`)).toHaveLength(100);
    expect((await add(id, 'x'.repeat(500_001))).status).toBe(400);
  });

  it('is refused beyond the bound of the plugin, and for a plugin without such a list', async () => {
    const id = await source('bounds');
    const many = `host\n${Array.from({ length: 1000 }, (_, n) => `h${n}.test`).join('\n')}`;
    expect((await add(id, many)).body.reasons).toHaveProperty(['plugin.options.hosts']);
    expect((await add(id, 'host\n10.0.0.0/19\n', { dryRun: true })).body.detail).toContain('Set "largeScan"');
    expect((await add(id, 'host\n0.0.0.0/0\n')).status).toBe(400);
    expect(await hosts(id)).toEqual(['a.test']);
    const folder = await source('folder', { id: 'filesystem-source', options: { path: tmpdir() } });
    expect(await add(folder, 'host\na.test\n')).toMatchObject({ status: 409 });
    expect((await add(999_999, 'host\na.test\n')).status).toBe(404);
  });

  it('makes a source, beside the options of the request', async () => {
    const request = {
      label: 'made',
      owner,
      active: false,
      plugin: tls({ ports: [8443] }),
      csv: 'host\nc.test\nd.test\n',
    };
    const dry = await program.ok('POST', '/sources/targets', { ...request, dryRun: true });
    expect(dry).toEqual({
      dryRun: true,
      sourceId: null,
      label: 'made',
      lines: 2,
      added: ['c.test', 'd.test'],
      known: 0,
    });
    const { sourceId } = await program.ok('POST', '/sources/targets', request);
    expect(await program.ok('GET', `/sources/${sourceId}`)).toMatchObject({
      label: 'made',
      owner,
      plugin: { options: { hosts: ['c.test', 'd.test'], ports: [8443] } },
    });
    expect((await program.call('POST', '/sources/targets', request)).status).toBe(409);
    expect((await program.call('POST', '/sources/targets', { ...request, plugin: { id: 'authority' } })).status).toBe(
      400,
    );
  });

  it('is taken at the command line, for a source that is there or is made', async () => {
    const env = { DATABASE_URL: program.database.url, DATA_DIR: program.dataDir, ...secrets };
    const csv = 'host,starttls\nmail.test,smtp\n';
    const make = ['add-targets', 'from a shell', '-', '--create', 'tls-endpoints', '--owner', owner];
    expect(await runCli(env, [...make, '--dry-run'], csv)).toMatchObject({
      status: 0,
      stdout: 'smtp://mail.test\n',
      stderr: '1 target new, 0 known, in from a shell. Nothing was stored because of --dry-run.\n',
    });
    const made = JSON.parse((await runCli(env, ['--json', ...make], csv)).stdout);
    expect(made).toMatchObject({ added: ['smtp://mail.test'], sourceId: expect.any(Number) });
    const again = await runCli(env, ['--json', ...make], `${csv}www.test,\n`);
    expect(JSON.parse(again.stdout)).toMatchObject({ added: ['www.test'], known: 1, sourceId: made.sourceId });
    const wrong = await runCli(env, ['add-targets', 'From a Shell', '-'], 'host\nx y\n');
    expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('Line 2: host: must be')]);
    await program.ok('DELETE', `/sources/${made.sourceId}`);
  });
});
