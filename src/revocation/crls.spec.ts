import { expect, it, vi } from 'vitest';
import type { Authorities } from '../authorities/authorities.js';
import type { AuthorityRepository } from '../authorities/authority.repository.js';
import { parsePem, toPem } from '../pki/pem.js';
import { Clock } from '../platform/clock.js';
import type { Database } from '../platform/db/database.js';
import type { CrlRepository, Published } from './crl.repository.js';
import { Crls } from './crls.js';

const der = Buffer.alloc(100_000, 7);
const published: Published = {
  id: 1,
  number: '1',
  thisUpdate: new Date('2026-03-01T12:00:00Z'),
  nextUpdate: new Date('2026-03-08T12:00:00Z'),
  length: der.length,
};
/** What two queries answer; the e2e specs read lists from a database. */
const stored: Pick<CrlRepository, 'findPublished' | 'read'> = {
  findPublished: () => Promise.resolve(published),
  read: () => Promise.resolve(Buffer.from(der)),
};

const crlsOn = (lists: typeof stored): Crls =>
  new Crls({} as Database, new Clock(), lists as CrlRepository, {} as Authorities, {} as AuthorityRepository);
const name = { publicId: 'a', keyTag: null, shard: null, delta: false };

it('converts a list to PEM once, however many ask for it and in whichever order', async () => {
  const crls = crlsOn(stored);
  const [first, second] = await Promise.all([crls.findPem(name), crls.findPem(name)]);
  const body = (await second?.body) ?? Buffer.alloc(0);
  expect(await first?.body).toBe(body);
  expect(await (await crls.findPem(name))?.body).toBe(body);
  expect((await crls.find(name))?.body.equals(der)).toBe(true);
  expect(parsePem(body.toString(), 'X509 CRL')).toEqual([der]);
});

it('lets other work go on while a large list is converted to PEM', async () => {
  const large = Buffer.alloc(20_000_000, 7);
  const crls = crlsOn({ ...stored, read: () => Promise.resolve(large) });
  const file = await crls.findPem(name);
  let turns = 0;
  let isDone = false;
  const work = (): void => {
    turns += 1;
    if (!isDone) setImmediate(work);
  };
  setImmediate(work);
  const body = await file?.body;
  isDone = true;
  expect(turns).toBeGreaterThan(10);
  expect(body?.equals(Buffer.from(toPem('X509 CRL', large)))).toBe(true);
});

it('reads no list from the database that this process has made, until another one has taken its place', async () => {
  const read = vi.fn(stored.read);
  const crls = crlsOn({ ...stored, read });
  const made = { number: 1n, der: Buffer.from(der), deltaDer: Buffer.from('delta') };
  crls.offer(published.id, made);
  const file = await crls.find(name);
  expect(file?.body).toBe(made.der);
  expect((await crls.find({ ...name, delta: true }))?.body).toBe(made.deltaDer);
  expect(read).not.toHaveBeenCalled();
  for (const [id, number] of [
    [published.id, 2n],
    [published.id + 1, 1n],
  ] as const) {
    const others = crlsOn({ ...stored, read });
    others.offer(id, { ...made, number, der: Buffer.from('another') });
    const found = await others.find(name);
    expect(found?.body.equals(der)).toBe(true);
    // As the process that has made it names it.
    expect(found?.etag).toBe(file?.etag);
  }
  expect(read).toHaveBeenCalledTimes(2);
});
