import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NoticeRepository } from '../../src/certificates/notify/notice.repository.js';
import { sendNotices } from '../../src/certificates/notify/send-notices.job.js';
import { Database } from '../../src/platform/db/database.js';
import { startChild } from '../support/child.js';
import { createTestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn, startProgram, type TestProgram } from '../support/program.js';
import { seeded } from '../support/seeded.js';

interface Received {
  id: string;
  names: string[];
}

const received: Received[] = [];
let server: Server;
let url: string;
/** Answers a message when it likes. */
let answer: (response: ServerResponse) => void = (response) => setTimeout(() => response.writeHead(204).end(), 200);

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: { certificates: { name: string }[] } };
      received.push({ id: String(request.headers['webhook-id']), names: data.certificates.map(({ name }) => name) });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

type Caller = Pick<TestProgram, 'ok'>;
const settings = { ALLOWED_PRIVATE_HOSTS: '127.0.0.1' };
const makeAuthority = ({ ok }: Caller): Promise<unknown> =>
  ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
const issue = ({ ok }: Caller, commonName: string): Promise<{ id: number; name: string }> =>
  ok('POST', '/certificates', { owner: 'a@example.com', commonName, authority: { name: 'root' }, validityDays: 90 });
async function subscribe({ ok }: Caller): Promise<number> {
  await ok('POST', '/channels', {
    label: 'hook',
    plugin: { id: 'webhook', options: { url, secret: 'a secret of more than sixteen bytes' } },
  });
  const request = { label: 'issued', channel: { label: 'hook' }, scope: 'all', events: ['certificate.issued'] };
  return (await ok('POST', '/subscriptions', request)).id;
}

describe('a notice', () => {
  it('is sent once by jobs at the same time that share some of their notices (20: uptime-kuma#2648)', async () => {
    const program = await startProgram(settings);
    try {
      await makeAuthority(program);
      const made: { id: number; name: string }[] = [];
      for (let i = 0; i < 12; i += 1) made.push(await issue(program, `host-${i}.example.com`));
      const subscriptionId = await subscribe(program);
      const db = program.perennial.app.get(Database, { strict: false });
      const notices = program.perennial.app.get(NoticeRepository, { strict: false });
      const random = seeded(4711);
      await db.write(async (tx) => {
        const event = 'certificate.issued' as const;
        const rows = made.map(({ id }) => ({ certificateId: id, subscriptionId, event, dedupeKey: `test:${id}` }));
        const ids = (await notices.add(tx, rows, program.clock.now())).map(({ id }) => id);
        const groups = Array.from({ length: 10 }, () => ids.filter(() => random() < 0.5)).filter(
          (one) => one.length > 0,
        );
        await sendNotices.enqueueMany(
          tx,
          [...groups, ids].map((noticeIds) => ({ data: { noticeIds } })),
        );
      });
      const { source } = program.database;
      await eventually(async () => {
        const open: unknown[] = await source.query(
          `select from outbox where job = 'notice.send' and state = 'due' union all
           select from notice where state = 'due'`,
        );
        return open.length === 0;
      });
      expect(received.flatMap(({ names }) => names).sort()).toEqual(made.map(({ name }) => name).sort());
      expect(await source.query('select distinct claimed_by from notice')).toEqual([{ claimed_by: null }]);
    } finally {
      await program.stop();
    }
  });

  it('that is being sent is not sent again when the clock is set forward by a day', { timeout: 240_000 }, async () => {
    const program = await startProgram(settings);
    try {
      await makeAuthority(program);
      await subscribe(program);
      received.splice(0);
      const held: ServerResponse[] = [];
      answer = (response) => void held.push(response);
      await issue(program, 'late.example.com');
      await eventually(async () => held.length > 0);
      const { source } = program.database;
      program.clock.advance(86_400_000);
      const db = program.perennial.app.get(Database, { strict: false });
      const rows = await source.query<{ id: number }[]>('select id from notice where subscription_id > 0');
      // With another one it is another job, which runs at the same time.
      const noticeIds = [...rows.map(({ id }) => id), 1_000_000];
      await db.write((tx) => sendNotices.enqueue(tx, { noticeIds }));
      const isDone = `select from outbox
        where job = 'notice.send' and data->'noticeIds' @> '1000000' and state = 'done'`;
      await eventually(async () => (await source.query<unknown[]>(isDone)).length > 0);
      held.forEach((response) => response.writeHead(204).end());
      await eventually(async () => {
        const [row] = await source.query<{ state: string }[]>('select state from notice where subscription_id > 0');
        return row?.state === 'sent';
      });
      expect(received).toHaveLength(1);
    } finally {
      await program.stop();
    }
  });

  it('that was sent while the database fails is recorded later, and not sent again', { timeout: 240_000 }, async () => {
    const program = await startProgram(settings);
    const { source } = program.database;
    try {
      await makeAuthority(program);
      await subscribe(program);
      received.splice(0);
      answer = (response) => response.writeHead(204).end();
      // A sequence counts on in a transaction that fails.
      await source.query(`create sequence failures;
        create function fail() returns trigger language plpgsql as
          $$ begin perform nextval('failures'); raise exception 'The disk is full.'; end $$;
        create trigger fails before update on notice for each row when (new.state = 'sent') execute function fail()`);
      await issue(program, 'recorded.example.com');
      await eventually(async () => {
        const [row] = await source.query<{ count: string }[]>('select last_value as count from failures');
        return Number(row?.count) > 1;
      });
      await source.query('drop trigger fails on notice');
      await eventually(async () => {
        const [row] = await source.query<{ state: string }[]>('select state from notice where subscription_id > 0');
        return row?.state === 'sent';
      });
      expect(received).toHaveLength(1);
    } finally {
      await program.stop();
    }
  });

  it(
    'of a killed process is sent again, under the same id, when its claim has run out',
    { timeout: 240_000 },
    async () => {
      const database = await createTestDatabase();
      const folder = await mkdtemp(join(tmpdir(), 'perennial-'));
      const env = {
        ...settings,
        DATA_DIR: folder,
        DATABASE_URL: database.url,
        ADMIN_PASSWORD: adminPassword,
        ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
      };
      const notice = (): Promise<unknown> =>
        database.source.query('select state, claimed_by is not null as claimed from notice where subscription_id > 0');
      try {
        received.splice(0);
        answer = () => undefined;
        const first = await startChild(env);
        const caller = await signIn(first.url);
        await makeAuthority(caller);
        await subscribe(caller);
        await issue(caller, 'killed.example.com');
        await eventually(async () => received.length === 1);
        await first.kill();
        expect(await notice()).toEqual([{ state: 'due', claimed: true }]);

        answer = (response) => response.writeHead(204).end();
        // As if the restart had taken some minutes.
        await database.source.query(`with leases as (update lease set until = now()),
        jobs as (update outbox set lease_until = now() where lease_until is not null)
        update notice set next_attempt_at = now()`);
        const second = await startChild(env);
        await eventually(async () => received.length === 2);
        await eventually(async () => JSON.stringify(await notice()).includes('"sent"'));
        await second.stop();
        expect(await notice()).toEqual([{ state: 'sent', claimed: false }]);
        expect(received[1]).toEqual(received[0]);
      } finally {
        await database.drop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
