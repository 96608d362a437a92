import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { TaskReport } from '../jobs/task-report.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { MovableClock } from '../../test/support/program.js';
import type { Periodic } from '../jobs/periodic.js';
import { loadConfig } from '../platform/config.js';
import { systemActor } from '../platform/http/actor.js';
import { createLog } from '../platform/log.js';
import { GuardedAgents } from '../platform/net/guarded-agent.js';
import { openKeyRing } from '../platform/secrets/open-key-ring.js';
import { AuditAnchors } from './audit-anchors.js';
import { AuditKeys } from './audit-keys.js';
import { Audit } from './audit.js';
import { AuditSealer } from './audit-sealer.js';

const secret = 'a secret of the webhook';
let test: TestDatabase;
let folder: string;
let path: string;
let server: Server;
/** What the webhook answers, and what it was told. */
let status = 200;
let told: { body: string; headers: IncomingHttpHeaders }[];
let logged: string[];
let clock: MovableClock;
let keys: AuditKeys;
let sealer: AuditSealer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anchors-'));
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      told.push({ body, headers: request.headers });
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await test.drop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await test?.drop();
  test = await createTestDatabase();
  [told, logged, status, clock] = [[], [], 200, new MovableClock()];
  path = join(folder, `anchors-${Date.now()}`);
  keys = new AuditKeys(await openKeyRing({ dataDir: join(folder, `data-${Date.now()}`) }, test.db));
  sealer = new AuditSealer(test.db, keys);
  await record();
});

async function record(): Promise<void> {
  await test.db.write((tx) =>
    new Audit().record(tx, systemActor('job'), { action: 'a.b', targetType: 'a', targetId: 1 }),
  );
  await sealer.seal();
}

/** A process with these settings beside a log, a file and a webhook. */
function anchors(env: Record<string, string> = {}): AuditAnchors {
  const config = loadConfig({
    AUDIT_ANCHOR_PATH: path,
    AUDIT_ANCHOR_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/anchors`,
    AUDIT_ANCHOR_SECRET: secret,
    ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
    ...env,
  });
  const log = createLog('info', { write: (line: string) => void logged.push(line) });
  const periodic = { everyTick: () => undefined } as unknown as Periodic;
  return new AuditAnchors(config, test.db, keys, periodic, clock, log, new GuardedAgents(config));
}
const send = (sender: AuditAnchors): Promise<void> => sender.send(new AbortController().signal, new TaskReport());
const lines = async (): Promise<string[]> => (await readFile(path, 'utf8')).split('\n').slice(0, -1);
const head = async (): Promise<string> => {
  const [row] = await test.source.query('select seq, hash from audit_head');
  return `${row.seq}:${row.hash.toString('hex')}`;
};

it('sends the newest seal once to the log, a file and a signed webhook', async () => {
  await send(anchors());
  await send(anchors());
  clock.advance(3_600_000);
  await send(anchors());
  const anchor = await head();
  expect(await lines()).toEqual([expect.stringMatching(new RegExp(`^\\d{4}-\\S+Z ${anchor}$`))]);
  expect((await stat(path)).mode & 0o777).toBe(0o644);
  expect(logged).toEqual([expect.stringContaining(`"anchor":"${anchor}"`)]);
  expect(told).toHaveLength(1);
  const [{ body, headers }] = told as [(typeof told)[0]];
  expect(JSON.parse(body)).toMatchObject({ anchor, seq: 1, at: expect.any(String) });
  const mac = createHmac('sha256', secret).update(body).digest('hex');
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-perennial-signature': `sha256=${mac}` });
});

it('waits for the interval before the next anchor, and then sends only the newest', async () => {
  const sender = anchors({ AUDIT_ANCHOR_MINUTES: '10' });
  await send(sender);
  await record();
  await record();
  await send(sender);
  expect(await lines()).toHaveLength(1);
  clock.advance(10 * 60_000);
  await send(sender);
  expect(await lines()).toEqual([expect.anything(), expect.stringContaining(await head())]);
});

it.each([500, 302, 404])(
  'retries a webhook that answers %d, and sends to the other targets meanwhile',
  async (answer) => {
    status = answer;
    await expect(send(anchors())).rejects.toThrow(/webhook: /);
    expect([(await lines()).length, logged.length]).toEqual([1, 1]);
    status = 204;
    const before = told.length;
    await send(anchors());
    expect([told.length - before, (await lines()).length, logged.length]).toEqual([1, 1, 1]);
  },
);

it('refuses a webhook at a private address that is not allowed', async () => {
  await expect(send(anchors({ ALLOWED_PRIVATE_HOSTS: '192.0.2.1' }))).rejects.toThrow(/webhook: /);
  expect(told).toEqual([]);
});

it('sends a new head even if the table claims that it was sent', async () => {
  await send(anchors());
  const set = (values: string): Promise<unknown> => test.source.query(`update audit_anchor set ${values}`);
  for (const forged of ['seq = 9000000', `sent_at = now() + interval '1 year'`]) {
    await record();
    await set(forged);
    const before = told.length;
    await send(anchors());
    expect(told.length - before, forged).toBe(1);
  }
});

it('appends the same anchor once after a crash, and follows no symbolic link', async () => {
  await send(anchors());
  await test.source.query('delete from audit_anchor');
  await send(anchors());
  expect(await lines()).toHaveLength(1);
  const target = `${path}-target`;
  await writeFile(target, '');
  await symlink(target, `${path}-link`);
  await record();
  clock.advance(3_600_000);
  await expect(send(anchors({ AUDIT_ANCHOR_PATH: `${path}-link` }))).rejects.toThrow(/file: /);
  expect(await readFile(target, 'utf8')).toBe('');
});

it('sends no head whose MAC is wrong', async () => {
  await test.source.query(`update audit_head set hash = sha256('forged')`);
  await send(anchors());
  expect([told, logged]).toEqual([[], []]);
});
