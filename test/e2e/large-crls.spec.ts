import type { Type } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Authorities } from '../../src/authorities/authorities.js';
import { AuthorityRepository } from '../../src/authorities/authority.repository.js';
import { Database } from '../../src/platform/db/database.js';
import { enqueueCrls } from '../../src/revocation/crl.job.js';
import { CrlRepository } from '../../src/revocation/crl.repository.js';
import { Crls } from '../../src/revocation/crls.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { runOn } from '../support/x509.js';

const MiB = 2 ** 20;
const earlier = 50_001;
let program: TestProgram;
let authority: Json;
let certificate: Json;
let url = '';
/** The list that has the certificate besides. */
let der: Buffer;
let etag: string | null;

const get = <T>(type: Type<T>): T => program.perennial.app.get(type, { strict: false });
const fetchList = (): Promise<Response> => fetch(`${program.url}${new URL(url).pathname}`);
const state = async (): Promise<Json> => (await program.ok('GET', `/authorities/${authority.id}/crl`)).lists[0];
/** How many octets each stored part of the list has. */
const parts = async (): Promise<number[]> => {
  const rows: { octets: number }[] = await program.database.source.query(
    `select octet_length(p.der) as octets from crl_part p join crl c on c.id = p.crl_id
     where c.authority_id = $1 and not p.delta order by p.part`,
    [authority.id],
  );
  return rows.map(({ octets }) => octets);
};

beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
  authority = await program.ok('POST', '/authorities', {
    name: 'large',
    owner: 'pki@example.com',
    commonName: 'Large',
  });
  await program.database.source.query(
    `insert into revoked_certificate (authority_id, serial_hex, not_after, revoked_at, reason, changed_at)
     select $1, '4' || lpad(upper(to_hex(n)), 7, '0'), now() + interval '90 days', now(), n % 6, now()
     from generate_series(1, $2::int) n`,
    [authority.id, earlier],
  );
  certificate = await program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'www.example.com',
    authority: { name: 'large' },
    validityDays: 90,
  });
  await program.ok('PUT', `/certificates/${certificate.id}/revoke`, { crlReason: 'superseded' });
  url = (await eventually(async () => (await state())?.entries === earlier + 1 && (await state()))).url;
  der = await eventually(async () => {
    const answer = await fetchList();
    etag = answer.headers.get('etag');
    const body = Buffer.from(await answer.arrayBuffer());
    return body.includes(Buffer.from(certificate.serialHex, 'hex')) && body;
  });
});
afterAll(() => program.stop());

describe('a CRL of many thousand entries', () => {
  it('lists each certificate once, by whichever way its entry was encoded', () => {
    const files = { 'l.crl': der, 'ca.pem': authority.authorityCertificate.body };
    const crl = 'openssl crl -inform DER -in l.crl -noout -CAfile ca.pem';
    const serials = `${crl} -text 2>/dev/null | sed -n 's/.*Serial Number: //p' | sort -u | wc -l`;
    expect(runOn(files, 'sh', '-c', `${crl} 2>&1; ${serials}`)).toMatch(new RegExp(`^verify OK\\s+${earlier + 1}\n$`));
  });

  it('is stored in parts of a mebibyte, and a new one leaves no part of the last one', async () => {
    expect(await parts()).toEqual([MiB, der.length - MiB]);
    const { number } = await state();
    await program.ok('POST', `/authorities/${authority.id}/crl`);
    await eventually(async () => (await state()).number !== number);
    const made = await eventually(async () => {
      const answer = await fetchList();
      return answer.headers.get('etag') !== etag && Buffer.from(await answer.arrayBuffer());
    });
    // An ECDSA signature has a few octets more or less.
    expect(await parts()).toEqual([MiB, made.length - MiB]);
  });

  it('has the same octets and the same validator in a process that has not made it', async () => {
    const answer = await fetchList();
    const publicId = /([^/.]+)\.[0-9a-f]{8}\.crl$/.exec(url)?.[1] ?? '';
    const repositories = [get(CrlRepository), get(Authorities), get(AuthorityRepository)] as const;
    const another = new Crls(get(Database), program.clock, ...repositories);
    const file = await another.find({ publicId, keyTag: null, shard: null, delta: false });
    expect(file?.etag).toBe(answer.headers.get('etag'));
    expect(file?.body.equals(Buffer.from(await answer.arrayBuffer()))).toBe(true);
  });

  it('is not read when another one takes its place between two parts', async () => {
    const [db, lists] = [get(Database), get(CrlRepository)];
    const publicId = /([^/.]+)\.[0-9a-f]{8}\.crl$/.exec(url)?.[1] ?? '';
    const found = await lists.findPublished(db.single, publicId, { keyTag: null, shard: null, delta: false });
    const { id, number } = found ?? { id: 0, number: '0' };
    await program.ok('POST', `/authorities/${authority.id}/crl`);
    await eventually(async () => (await state()).number !== number);
    expect(await lists.read(db.single, { ...found!, id, number }, false)).toBeNull();
  });

  it('is stored by one of two processes that made it at the same time', async () => {
    const [db, lists] = [get(Database), get(CrlRepository)];
    const [known] = await lists.of(db.single, authority.id);
    const at = program.clock.now();
    const times = { thisUpdate: at, nextUpdate: at, baseAt: at, dueAt: at, overdueAt: at };
    const number = BigInt(known!.number!) + 1n;
    const list = { ...times, number, baseNumber: number, entries: earlier + 1, der, deltaDer: null };
    const saved = await Promise.all([1, 2].map(() => db.write((tx) => lists.save(tx, known!, list))));
    expect(saved.sort()).toEqual([false, true]);
    expect(await parts()).toEqual([MiB, der.length - MiB]);
  });
});

it('a list of a hundred thousand entries is made while no other one is', async () => {
  let lanes: unknown;
  const rolledBack = get(Database).write(async (tx) => {
    for (const entries of [99_999, 100_000])
      await enqueueCrls(tx, [{ id: entries, authorityId: 7, entries, thisUpdate: null }]);
    // The program enqueues jobs of its own lists at any moment.
    lanes = await tx.query(
      `select lane from outbox where data ->> 'crlId' in ('99999', '100000') order by (data ->> 'crlId')::int`,
    );
    throw new Error('rolled back');
  });
  await expect(rolledBack).rejects.toThrow('rolled back');
  expect(lanes).toEqual([{ lane: 'crl:7' }, { lane: 'crl-large:all' }]);
});
