import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { runOn } from '../support/x509.js';
import type { Json } from '../support/json.js';

// Programs that are not ours, Java among them, start slowly on a busy machine.
let program: TestProgram;
let root: Json;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
  root = await makeAuthority('root');
});
afterAll(() => program.stop());

const makeAuthority = (name: string, options: object = {}, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities', {
    name,
    owner: 'pki@example.com',
    commonName: name,
    plugin: { id: 'local-ca', options },
    ...more,
  });
const textOf = ({ body }: Json): string =>
  runOn({ 'c.pem': body }, 'openssl', 'x509', '-in', 'c.pem', '-noout', '-text');
let count = 0;
const issue = (authority: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `c${++count}.example.com`,
    authority: { name: authority },
    validityDays: 90,
    ...more,
  });
const revoke = (certificate: Json, crlReason = 'superseded', more: object = {}): Promise<Json> =>
  program.ok('PUT', `/certificates/${certificate.id}/revoke`, { crlReason, ...more });
const stateOf = (authority: Json): Promise<Json> => program.ok('GET', `/authorities/${authority.id}/crl`);
const fetchUrl = (url: string, init?: RequestInit): Promise<Response> =>
  fetch(`${program.url}${new URL(url).pathname}`, init);

/** What openssl reads in a CRL: the serial numbers with their reasons, and the whole text. */
interface Read {
  der: Buffer;
  text: string;
  number: bigint;
  entries: Record<string, string>;
}

function read(der: Buffer): Read {
  const text = runOn({ 'l.crl': der }, 'openssl', 'crl', '-inform', 'DER', '-in', 'l.crl', '-noout', '-text');
  const entries = text
    .split('Serial Number: ')
    .slice(1)
    .map((part): [string, string] => {
      const reason = /Reason Code:\s*([^\n]+)/.exec(part)?.[1] ?? '';
      return [part.slice(0, part.indexOf('\n')).trim(), reason.trim()];
    });
  const number = BigInt(/CRL Number:\s*(\w+)/.exec(text)?.[1] ?? 0);
  return { der, text: text.replace(/\s+/g, ' '), number, entries: Object.fromEntries(entries) };
}

async function fetchCrl(url: string): Promise<Read> {
  const answer = await fetchUrl(url);
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`);
  return read(Buffer.from(await answer.arrayBuffer()));
}

/** Waits until the published list at `url` is as wanted, and gives it. */
async function listed(url: string, isWanted: (crl: Read) => boolean): Promise<Read> {
  let crl: Read | undefined;
  await eventually(async () => {
    crl = await fetchCrl(url).catch(() => undefined);
    return crl !== undefined && isWanted(crl);
  });
  return crl as Read;
}
const has =
  (...certificates: Json[]) =>
  ({ entries }: Read): boolean =>
    certificates.every(({ serialHex }) => serialHex in entries);
/** Of the list of all certificates; without a key in it, which stands for the present one. */
const urlOf = ({ plugin }: Json): string => plugin.options.crlDistributionPoints[0].replace('.{key}', '');

/** openssl's verdict of a leaf, now by the clock of the program. */
function verdict(leaf: Json, ca: Json, crls: Buffer[], ...more: string[]): string {
  const files = {
    'leaf.pem': leaf.body,
    'ca.pem': ca.authorityCertificate.body,
    ...Object.fromEntries(crls.map((der, n) => [`${n}.crl`, der])),
  };
  const toPem = crls.map((_, n) => `openssl crl -inform DER -in ${n}.crl >> crls.pem`).join('; ');
  const now = Math.floor(program.clock.now().getTime() / 1000);
  const check = more.includes('-crl_check') ? [] : ['-crl_check_all'];
  const flags = ['-x509_strict', '-attime', String(now), ...check, ...more].join(' ');
  const verify = `openssl verify ${flags} -CAfile ca.pem -CRLfile crls.pem leaf.pem`;
  return runOn(files, 'sh', '-c', `${toPem}; ${verify} 2>&1 || true`);
}

describe('the CRL of an authority', () => {
  it('is there soon after the authority is made, empty, and accepted by openssl and certtool', async () => {
    const crl = await listed(urlOf(root), () => true);
    expect(crl.entries).toEqual({});
    const files = { 'l.crl': crl.der, 'ca.pem': root.authorityCertificate.body };
    const certtool =
      'openssl crl -inform DER -in l.crl -out l.pem; certtool --verify-crl --load-ca-certificate ca.pem --infile l.pem';
    expect(runOn(files, 'sh', '-c', certtool)).toMatch(/Verification output: Verified/);
    const leaf = await issue('root');
    expect(verdict(leaf, root, [crl.der])).toContain('leaf.pem: OK');
  });

  it('lists a revoked certificate within seconds, with its reason, and openssl refuses the certificate', async () => {
    const [superseded, compromised, plain, good] = [
      await issue('root'),
      await issue('root'),
      await issue('root'),
      await issue('root'),
    ];
    await revoke(superseded);
    await revoke(compromised, 'keyCompromise', { invalidityDate: '2026-01-02T03:04:05Z' });
    await revoke(plain, 'unspecified');
    const crl = await listed(urlOf(root), has(superseded, compromised, plain));
    expect(crl.entries).toMatchObject({
      [superseded.serialHex]: 'Superseded',
      [compromised.serialHex]: 'Key Compromise',
      [plain.serialHex]: '',
    });
    expect(crl.text).toContain('Key Compromise Invalidity Date: Jan 2 03:04:05 2026 GMT');
    expect(verdict(superseded, root, [crl.der])).toContain('certificate revoked');
    expect(verdict(good, root, [crl.der])).toContain('leaf.pem: OK');
    expect(await program.call('PUT', `/certificates/${plain.id}/revoke`, {})).toMatchObject({ status: 409 });
  });

  it('lists a certificate on hold until it is released, with the date of the hold (18: certmate#391)', async () => {
    const certificate = await issue('root');
    await program.ok('PUT', `/certificates/${certificate.id}/hold`, {});
    const held = await listed(urlOf(root), has(certificate));
    expect(held.entries[certificate.serialHex]).toBe('Certificate Hold');
    await program.ok('PUT', `/certificates/${certificate.id}/release`, {});
    await listed(urlOf(root), (crl) => !has(certificate)(crl));
    await program.ok('PUT', `/certificates/${certificate.id}/hold`, {});
    const again = await listed(urlOf(root), has(certificate));
    const dateIn = ({ text }: Read): string =>
      new RegExp(`${certificate.serialHex} Revocation Date: (.*? GMT)`).exec(text)?.[1] ?? '';
    program.clock.advance(3_600_000);
    await revoke(certificate, 'keyCompromise');
    const final = await listed(urlOf(root), ({ entries }) => entries[certificate.serialHex] === 'Key Compromise');
    expect(dateIn(final)).toBe(dateIn(again));
    expect(dateIn(final)).not.toBe('');
  });

  it('is served with a validator and a bound for caches, in PEM too, and with 304 until it is new', async () => {
    const answer = await fetchUrl(urlOf(root));
    expect(answer.headers.get('content-type')).toBe('application/pkix-crl');
    const etag = answer.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[^"]+"$/);
    expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+, no-transform$/);
    const headers = { 'if-none-match': etag };
    expect((await fetchUrl(urlOf(root), { headers })).status).toBe(304);
    const { number } = read(Buffer.from(await answer.arrayBuffer()));
    await program.ok('POST', `/authorities/${root.id}/crl`);
    const next = await listed(urlOf(root), (crl) => crl.number > number);
    expect((await fetchUrl(urlOf(root), { headers })).status).toBe(200);
    const pem = await (await fetchUrl(`${urlOf(root)}.pem`)).text();
    const der = runOn({ 'l.pem': pem }, 'sh', '-c', 'openssl crl -in l.pem -outform DER | od -An -v -tx1');
    expect(der.replace(/\s/g, '')).toBe(next.der.toString('hex'));
  });

  it('shows its state, and is made anew on schedule, with a number that grows (18: certmate#391)', async () => {
    const [before] = (await stateOf(root)).lists;
    expect(before).toMatchObject({
      shard: null,
      url: expect.stringMatching(/\.[0-9a-f]{8}\.crl$/),
      deltaUrl: null,
      overdue: false,
      fault: null,
    });
    program.clock.advance(4 * 86_400_000);
    await eventually(async () => BigInt((await stateOf(root)).lists[0].number) > BigInt(before.number));
    const [after] = (await stateOf(root)).lists;
    expect(Date.parse(after.nextUpdate) - Date.parse(after.thisUpdate)).toBe(168 * 3_600_000);
    await listed(urlOf(root), ({ number }) => number === BigInt(after.number));
  });

  it('goes on while the authority is not active', async () => {
    const quiet = await makeAuthority('quiet');
    const certificate = await issue('quiet');
    await program.ok('PUT', `/authorities/${quiet.id}`, { owner: 'pki@example.com', active: false });
    await revoke(certificate);
    await listed(urlOf(quiet), has(certificate));
  });

  it('keeps an expired certificate for one scheduled list, and then leaves it out', async () => {
    const short = await makeAuthority('short', { crlHours: 48 });
    const certificate = await issue('short', { validityDays: 1 });
    await revoke(certificate);
    await listed(urlOf(short), has(certificate));
    const scheduled = async (): Promise<Read> => {
      const { number } = await fetchCrl(urlOf(short));
      program.clock.advance(25 * 3_600_000);
      return listed(urlOf(short), (crl) => crl.number > number);
    };
    // The first list after the expiry still has it.
    expect(has(certificate)(await scheduled())).toBe(true);
    expect(has(certificate)(await scheduled())).toBe(false);
  });
});

describe('a subordinate CA', () => {
  it('that is revoked is listed by its parent, issues nothing any more, and is not revoked twice', async () => {
    const lower = { type: 'subca', parent: { name: 'root' } };
    const sub = await makeAuthority('lower', {}, lower);
    const invalidityDate = '2026-01-02T03:04:05Z';
    await program.ok('PUT', `/authorities/${sub.id}/revoke`, { crlReason: 'cACompromise', invalidityDate });
    const serialHex = BigInt(sub.authorityCertificate.serial).toString(16).toUpperCase();
    const crl = await listed(urlOf(root), ({ entries }) => serialHex in entries);
    expect(crl.entries[serialHex]).toBe('CA Compromise');
    const subAsLeaf = { body: sub.authorityCertificate.body };
    expect(verdict(subAsLeaf, root, [crl.der])).toContain('certificate revoked');
    expect((await program.ok('GET', `/authorities/${sub.id}`)).active).toBe(false);
    expect(await program.call('PUT', `/authorities/${sub.id}/revoke`, {})).toMatchObject({ status: 409 });
    expect(await program.call('PUT', `/authorities/${root.id}/revoke`, {})).toMatchObject({ status: 409 });
  });
});

describe('an authority that was renewed with a new key', () => {
  it('goes on to list what its earlier key signed, in a list that the earlier key signs', async () => {
    const old = await makeAuthority('renewed');
    const [early, good] = [await issue('renewed'), await issue('renewed')];
    await program.ok('POST', `/authorities/${old.id}/renew`, { newKey: true });
    const fresh = await program.ok('GET', `/authorities/${old.id}`);
    const late = await issue('renewed');
    await revoke(early);
    await revoke(late, 'keyCompromise');
    const pointOf = (one: Json): string => /URI:(\S+\.crl)/.exec(textOf(one))?.[1] ?? '';
    expect(pointOf(early)).not.toBe(pointOf(late));
    const [byOld, byNew] = [
      await listed(pointOf(early), has(early, late)),
      await listed(pointOf(late), has(early, late)),
    ];
    expect(verdict(early, old, [byOld.der], '-crl_check')).toContain('certificate revoked');
    expect(verdict(good, old, [byOld.der], '-crl_check')).toContain('leaf.pem: OK');
    expect(verdict(good, old, [byNew.der], '-crl_check')).toContain('unable to get certificate CRL');
    expect(verdict(late, fresh, [byNew.der], '-crl_check')).toContain('certificate revoked');
    expect((await fetchCrl(urlOf(fresh))).number).toBe(byNew.number);
  });
});

describe('shards', () => {
  it('are complete and disjoint, each with the distribution point that its certificates name', async () => {
    const sharded = await makeAuthority('sharded', { crlShards: 3 });
    const certificates = await Promise.all(Array.from({ length: 12 }, () => issue('sharded')));
    for (const one of certificates) await revoke(one);
    const [all, ...shards]: Json[] = await eventually(async () => {
      const { lists: made } = await stateOf(sharded);
      return made.length === 4 && made;
    });
    expect(shards.map(({ shard }: Json) => shard)).toEqual([0, 1, 2]);
    await listed(all.url, has(...certificates));
    const serials = certificates.map(({ serialHex }) => serialHex).sort();
    let lists: Read[] = [];
    await eventually(async () => {
      lists = await Promise.all(shards.map(({ url }: Json) => fetchCrl(url))).catch(() => []);
      return lists.flatMap(({ entries }) => Object.keys(entries)).length >= serials.length;
    });
    expect(lists.flatMap(({ entries }) => Object.keys(entries)).sort()).toEqual(serials);
    const named = (one: Json): string => /URI:(\S+\.crl)/.exec(textOf(one))?.[1] ?? '';
    for (const one of certificates) {
      const list = lists[shards.findIndex(({ url }: Json) => url === named(one))];
      expect(list?.text).toContain(`Issuing Distribution Point: critical Full Name: URI:${named(one)} `);
      expect(verdict(one, sharded, [list?.der ?? Buffer.alloc(0)])).toContain('certificate revoked');
      const others = lists.filter((other) => other !== list).map(({ der }) => der);
      expect(verdict(one, sharded, others)).toContain('different CRL scope');
    }
    const good = await issue('sharded');
    const ders = lists.map(({ der }) => der);
    expect(verdict(good, sharded, ders, '-crl_check')).toContain('leaf.pem: OK');
    // No certificate names a shard for the root itself: the list of all has it.
    expect(verdict(good, sharded, [...ders, (await fetchCrl(all.url)).der])).toContain('leaf.pem: OK');
  });

  it('that are switched on later take in what was revoked before', async () => {
    const grown = await makeAuthority('grown');
    const before = await issue('grown');
    await revoke(before);
    await listed(urlOf(grown), has(before));
    const { published } = await stateOf(grown);
    const point = published.crlDistributionPoints.replace('.crl', '.{shard}.crl');
    await program.ok('PUT', `/authorities/${grown.id}`, {
      owner: 'pki@example.com',
      plugin: { id: 'local-ca', options: { crlShards: 2, crlDistributionPoints: [point] } },
    });
    const after = await issue('grown');
    await revoke(after);
    const inShards = async (): Promise<string[]> =>
      (
        await Promise.all([0, 1].map((n) => fetchCrl(point.replace('.{key}', '').replace('{shard}', String(n)))))
      ).flatMap(({ entries }) => Object.keys(entries));
    await eventually(async () => (await inShards().catch(() => [])).length === 2);
    expect((await inShards()).sort()).toEqual([before.serialHex, after.serialHex].sort());
    await listed(urlOf(grown), has(before, after));
  });
});

describe('delta CRLs', () => {
  it('have what has changed since the base, releases included, and openssl takes both together', async () => {
    const changing = await makeAuthority('changing', { deltaCrl: true });
    const [held, late] = [await issue('changing'), await issue('changing')];
    await program.ok('PUT', `/certificates/${held.id}/hold`, {});
    const url = urlOf(changing);
    await listed(url, has(held));
    // The next scheduled list is the base of the deltas after it.
    const { number } = await fetchCrl(url);
    program.clock.advance(4 * 86_400_000);
    const base = await listed(url, (crl) => crl.number > number);
    const [{ deltaUrl }] = (await stateOf(changing)).lists;
    expect(base.text).toContain(`X509v3 Freshest CRL: Full Name: URI:${deltaUrl} `);
    program.clock.advance(3_600_000);
    await program.ok('PUT', `/certificates/${held.id}/release`, {});
    await revoke(late, 'keyCompromise');
    const delta = await listed(deltaUrl, has(held, late));
    expect(delta.text).toContain('X509v3 Delta CRL Indicator: critical');
    expect(BigInt(/Delta CRL Indicator: critical (\w+)/.exec(delta.text)?.[1] ?? 0)).toBe(base.number);
    expect(delta.entries).toEqual({ [held.serialHex]: 'Remove From CRL', [late.serialHex]: 'Key Compromise' });
    const both = [base.der, delta.der];
    expect(verdict(held, changing, [base.der])).toContain('certificate revoked');
    expect(verdict(late, changing, [base.der])).toContain('leaf.pem: OK');
    expect(verdict(held, changing, both, '-use_deltas', '-extended_crl')).toContain('leaf.pem: OK');
    expect(verdict(late, changing, both, '-use_deltas', '-extended_crl')).toContain('certificate revoked');
    // The program keeps for a second what it has served.
    const full = await listed(url, (crl) => crl.number >= delta.number);
    expect([full.number, full.entries]).toEqual([delta.number, { [late.serialHex]: 'Key Compromise' }]);
  });
});
