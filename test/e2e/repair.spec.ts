import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGate, type Gate } from '../support/gate.js';
import { freePort } from '../support/own-server.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import type { Json } from '../support/json.js';

let program: TestProgram;
let gate: Gate;
let scratch: string;
let serial = 0;
let folder: string;

beforeAll(async () => {
  gate = await createGate();
  scratch = await mkdtemp(join(tmpdir(), 'perennial-'));
  program = await startProgram({ RELOAD_COMMANDS: gate.commands });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await gate.open();
  await program.stop();
  await gate.remove();
  await rm(scratch, { recursive: true, force: true });
});
beforeEach(async () => {
  await gate.open();
  serial += 1;
  folder = join(scratch, String(serial));
});

/** A new folder as a destination; `behind` the gate a delivery is under way until that opens. */
async function destination(options: { behind?: 'gate'; path?: string } = {}): Promise<{ id: number; label: string }> {
  const plugin = {
    slug: 'filesystem',
    options: { path: options.path ?? folder, ...(options.behind && { reload: options.behind }) },
  };
  const { id, label } = await program.ok('POST', '/destinations', { label: `folder ${serial}`, plugin });
  return { id, label };
}

const issue = (commonName: string, place: { id: number }, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    destinations: [{ id: place.id }],
    ...more,
  });
const stateOf = async (certificate: { id: number }): Promise<string> =>
  (await program.ok('GET', `/certificates/${certificate.id}`)).lifecycle;
const detach = (certificate: { id: number }): Promise<unknown> =>
  program.ok('PUT', `/certificates/${certificate.id}`, { destinations: [] });
const revoke = (certificate: { id: number }): Promise<unknown> =>
  program.ok('PUT', `/certificates/${certificate.id}/revoke`, { crlReason: 'keyCompromise' });

async function deliveryOf(certificate: { id: number }): Promise<Record<string, Json>> {
  const { items } = await program.ok('GET', `/certificates/${certificate.id}/deliveries`);
  expect(items).toHaveLength(1);
  return items[0];
}

/** Waits for this state, jumping over every wait on the way. */
async function comes(certificate: { id: number }, state: string, attempts = 0): Promise<Record<string, Json>> {
  return eventually(async () => {
    const delivery = await deliveryOf(certificate);
    if (delivery.state === state && delivery.attempts >= attempts) return delivery;
    const waitMs = delivery.nextAttemptAt ? Date.parse(delivery.nextAttemptAt) - program.clock.now().getTime() : 0;
    // An attempt that is under way has its next one ten minutes from now: that one is not jumped to.
    if (waitMs > 0 && delivery.state !== 'planned' && delivery.state !== 'removing') program.clock.advance(waitMs);
    return null;
  });
}

/** The certificate on disk, which fits the key beside it. */
async function onDisk(commonName: string): Promise<X509Certificate> {
  const read = (name: string): Promise<string> => readFile(join(folder, commonName, name), 'utf8');
  const certificate = new X509Certificate(await read('cert.pem'));
  expect(certificate.checkPrivateKey(createPrivateKey(await read('privkey.pem')))).toBe(true);
  return certificate;
}
async function expectOnDisk(commonName: string, { body }: { body: string }): Promise<void> {
  expect((await onDisk(commonName)).fingerprint256).toBe(new X509Certificate(body).fingerprint256);
}
const expectNothing = (commonName: string): Promise<void> =>
  expect(access(join(folder, commonName))).rejects.toThrow('ENOENT');
const underWay = (begun: number): Promise<unknown> =>
  eventually(async () => (await gate.marks()).filter((mark) => mark === 'begin').length === begun);

describe('a destination that cannot be written', () => {
  it('delays the delivery, which shows the fault; the owner is told once, and the repair completes it', async () => {
    await writeFile(folder, 'in the way');
    const certificate = await issue('a.example.com', await destination());
    expect(certificate.lifecycle).toBe('issued');
    const first = await comes(certificate, 'failing', 1);
    expect(first).toMatchObject({ fault: 'misconfigured', attempts: 1, deliveredAt: null });
    expect(first['detail']).toContain(folder);
    expect(Date.parse(first['nextAttemptAt'])).toBeGreaterThan(Date.parse(first['lastAttemptAt']));
    const second = await comes(certificate, 'failing', 2);
    const wait = (delivery: Record<string, string>): number =>
      Date.parse(delivery['nextAttemptAt'] ?? '') - Date.parse(delivery['lastAttemptAt'] ?? '');
    expect(wait(second)).toBeGreaterThan(1.5 * wait(first));

    await comes(certificate, 'failing', 7);
    const told = await eventually(async () => {
      const { items } = await program.ok('GET', '/mails');
      return items.length > 0 && items;
    });
    expect(told).toMatchObject([{ to: ['joe@example.com'] }]);
    expect(told[0].text).toContain(`folder ${serial}`);
    expect(told[0].text).toContain(folder);
    expect(await stateOf(certificate)).toBe('issued');

    await rm(folder);
    const done = await comes(certificate, 'delivered');
    expect(done).toMatchObject({
      fault: null,
      detail: null,
      attempts: 0,
      nextAttemptAt: null,
      location: join(folder, 'a.example.com'),
    });
    await expectOnDisk('a.example.com', certificate);
    expect((await program.ok('GET', '/mails')).total).toBe(1);
  });

  it('gets the certificate at once on request after the repair', async () => {
    await writeFile(folder, 'in the way');
    const certificate = await issue('a.example.com', await destination());
    const { id } = await comes(certificate, 'failing', 1);
    await rm(folder);
    expect(await program.ok('POST', `/deliveries/${id}/retry`)).toMatchObject({ state: 'planned', attempts: 0 });
    await eventually(async () => (await deliveryOf(certificate)).state === 'delivered');
    await expectOnDisk('a.example.com', certificate);
    await rm(join(folder, 'a.example.com'), { recursive: true });
    expect(await program.ok('POST', `/deliveries/${id}/retry`)).toMatchObject({ state: 'planned' });
    await eventually(async () => (await deliveryOf(certificate)).state === 'delivered');
    await expectOnDisk('a.example.com', certificate);
  });

  it('never gets a certificate that was detached or revoked meanwhile', async () => {
    await writeFile(folder, 'in the way');
    const place = await destination();
    const [detached, revoked] = [await issue('a.example.com', place), await issue('b.example.com', place)];
    await comes(detached, 'failing', 1);
    await comes(revoked, 'failing', 1);
    await detach(detached);
    await revoke(revoked);
    // The attempt that failed may have written all the same.
    expect((await deliveryOf(revoked)).state).toMatch(/leaving|removing/);
    await rm(folder);
    await comes(detached, 'removed');
    await comes(revoked, 'removed');
    const later = await issue('c.example.com', place);
    program.clock.advance(7 * 3_600_000);
    await comes(later, 'delivered');
    await expectNothing('a.example.com');
    await expectNothing('b.example.com');
  });

  it('gets the newest certificate of a line after the repair, and its predecessors are superseded', async () => {
    await writeFile(folder, 'in the way');
    const first = await issue('a.example.com', await destination());
    await comes(first, 'failing', 1);
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`);
    const third = await program.ok('POST', `/certificates/${second.id}/reissue`);
    await comes(third, 'failing', 1);
    expect([await stateOf(first), await stateOf(second), await stateOf(third)]).toEqual(['issued', 'issued', 'issued']);
    await rm(folder);
    await comes(third, 'delivered');
    await expectOnDisk('a.example.com', third);
    expect([await stateOf(first), await stateOf(second), await stateOf(third)]).toEqual([
      'superseded',
      'superseded',
      'issued',
    ]);
    expect([(await deliveryOf(first))['state'], (await deliveryOf(second))['state']]).toEqual(['replaced', 'replaced']);
  });
});

describe('two certificates for one location', () => {
  it('leave it to the first, and the second is delivered when the first is removed', async () => {
    const place = await destination();
    const first = await issue('a.example.com', place);
    await comes(first, 'delivered');
    const second = await issue('a.example.com', place);
    const refused = await comes(second, 'failing', 1);
    expect(refused).toMatchObject({ fault: 'misconfigured' });
    expect(refused['detail']).toContain(first.name);
    await expectOnDisk('a.example.com', first);
    await detach(first);
    await comes(first, 'removed');
    await comes(second, 'delivered');
    await expectOnDisk('a.example.com', second);
  });

  it('do not alternate while the first is delivered again', async () => {
    const place = await destination();
    const first = await issue('a.example.com', place);
    const { id } = await comes(first, 'delivered');
    await rm(folder, { recursive: true });
    await writeFile(folder, 'in the way');
    await program.ok('POST', `/deliveries/${id}/retry`);
    await comes(first, 'failing', 1);
    const second = await issue('a.example.com', place);
    await rm(folder);
    const refused = await comes(second, 'failing', 1);
    expect(refused['detail']).toContain(first.name);
    await comes(first, 'delivered');
    await expectOnDisk('a.example.com', first);
  });

  it('do not overwrite each other when they are delivered at the same moment', async () => {
    const place = await destination({ behind: 'gate' });
    await gate.shut();
    const before = (await gate.marks()).filter((mark) => mark === 'begin').length;
    const both = await Promise.all([1, 2].map(() => issue('a.example.com', place)));
    await underWay(before + 1);
    await eventually(async () =>
      (await Promise.all(both.map(deliveryOf))).every((delivery) => delivery['lastAttemptAt'] !== null),
    );
    await gate.open();
    const deliveries = await eventually(async () => {
      program.clock.advance(6_000);
      const now = await Promise.all(both.map(deliveryOf));
      return now.every((delivery) => delivery['state'] === 'delivered' || delivery['state'] === 'failing') && now;
    });
    expect(deliveries.map((delivery) => delivery['state']).sort()).toEqual(['delivered', 'failing']);
    const winner = both[deliveries.findIndex((delivery) => delivery['state'] === 'delivered')];
    await expectOnDisk('a.example.com', winner);
    expect(deliveries.find((delivery) => delivery['state'] === 'failing')).toMatchObject({
      fault: 'misconfigured',
      detail: expect.stringContaining(winner.name),
    });
  });
});

describe('a running delivery', () => {
  it('that ends after its successor was issued is overwritten by the successor', async () => {
    const place = await destination({ behind: 'gate' });
    const before = (await gate.marks()).filter((mark) => mark === 'begin').length;
    await gate.shut();
    const first = await issue('a.example.com', place);
    await underWay(before + 1);
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`);
    expect((await deliveryOf(first))['state']).toBe('replaced');
    await eventually(async () => (await deliveryOf(second))['lastAttemptAt'] !== null);
    await gate.open();
    await eventually(async () => {
      program.clock.advance(1_000);
      return (await deliveryOf(second))['state'] === 'delivered';
    });
    await expectOnDisk('a.example.com', second);
    expect(await stateOf(first)).toBe('superseded');
    expect(await gate.marks().then((marks) => marks.slice(-4))).toEqual(['begin', 'end', 'begin', 'end']);
  });

  it('whose certificate is detached meanwhile is removed again', async () => {
    const before = (await gate.marks()).filter((mark) => mark === 'begin').length;
    await gate.shut();
    const certificate = await issue('a.example.com', await destination({ behind: 'gate' }));
    await underWay(before + 1);
    await detach(certificate);
    expect((await deliveryOf(certificate))['state']).toBe('removing');
    await expectOnDisk('a.example.com', certificate);
    await gate.open();
    await eventually(async () => {
      program.clock.advance(1_000);
      return (await deliveryOf(certificate))['state'] === 'removed';
    });
    await expectNothing('a.example.com');
  });

  it('that is requested again is made by one worker at a time', async () => {
    const before = (await gate.marks()).filter((mark) => mark === 'begin').length;
    await gate.shut();
    const certificate = await issue('a.example.com', await destination({ behind: 'gate' }));
    await underWay(before + 1);
    const { id } = await deliveryOf(certificate);
    await Promise.all([1, 2, 3].map(() => program.ok('POST', `/deliveries/${id}/retry`)));
    const jobs = await program.database.source.query<{ running: boolean }[]>(
      `select leased_by is not null as running from outbox
       where job = 'certificate.deploy' and data = $1 and state = 'due' order by created_at`,
      [{ deliveryId: id }],
    );
    expect(jobs).toEqual([{ running: true }, { running: false }]);
    expect((await gate.marks()).filter((mark) => mark === 'begin')).toHaveLength(before + 1);
    await gate.open();
    await eventually(async () => (await deliveryOf(certificate))['state'] === 'delivered');
    expect((await gate.marks()).slice(-2)).toEqual(['begin', 'end']);
  });
});

describe('the removal of a certificate', () => {
  it('leaves a successor at the same location', async () => {
    const place = await destination();
    const first = await issue('a.example.com', place);
    await comes(first, 'delivered');
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`);
    await comes(second, 'delivered');
    const { id } = await deliveryOf(first);
    expect(await program.call('POST', `/deliveries/${id}/retry`)).toMatchObject({ status: 409 });
    await program.ok('PUT', `/certificates/${first.id}`, { description: 'Something else changes.' });
    expect((await deliveryOf(first))['state']).toBe('replaced');
    await detach(first);
    await comes(first, 'removed');
    await expectOnDisk('a.example.com', second);
    await detach(second);
    await comes(second, 'removed');
    await expectNothing('a.example.com');
  });
});

describe('a mail server that is down', () => {
  it('delays notices, loses none, and each is sent once', async () => {
    const port = await freePort();
    const mailing = await startProgram({ SMTP_URL: `smtp://127.0.0.1:${port}` });
    try {
      await mailing.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
      const certificate = await mailing.ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName: 'a.example.com',
        authority: { name: 'root' },
      });
      await mailing.ok('PUT', `/certificates/${certificate.id}/revoke`, { crlReason: 'superseded' });
      const notices = (): Promise<{ state: string; attempts: number; fault: string | null; at: Date | null }[]> =>
        mailing.database.source.query(
          `select state, attempts, fault, next_attempt_at as at from notice where event = 'certificate.revoked'`,
        );
      for (const attempts of [1, 2]) {
        const [notice] = await eventually(async () => {
          const found = await notices();
          return found[0]?.attempts === attempts && found;
        });
        expect(notice).toMatchObject({ state: 'due', fault: 'unavailable' });
        mailing.clock.advance((notice?.at?.getTime() ?? 0) - mailing.clock.now().getTime());
      }
      const { received, close } = await mailServer(port);
      await eventually(async () => {
        mailing.clock.advance(60_000);
        return (await notices())[0]?.state === 'sent';
      });
      mailing.clock.advance(3_600_000);
      await mailing.ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName: 'b.example.com',
        authority: { name: 'root' },
      });
      expect(await notices()).toMatchObject([{ state: 'sent', at: null }]);
      expect(received).toEqual([['joe@example.com']]);
      close();
    } finally {
      await mailing.stop();
    }
  });
});

/** `received` grows with the recipients of each mail that was taken. */
async function mailServer(port: number): Promise<{ received: string[][]; close: () => void }> {
  const received: string[][] = [];
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData(stream, { envelope }, done) {
      stream.resume().on('end', () => {
        received.push(envelope.rcptTo.map(({ address }) => address));
        done();
      });
    },
  });
  server.on('error', () => undefined);
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  return { received, close: () => server.close() };
}
