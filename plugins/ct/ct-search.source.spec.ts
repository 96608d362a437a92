import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../src/plugin-api/source.js';
import { type FakeCtSearch, startCtSearch } from '../../test/fakes/ct-search.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { ctSearch } from './ct-search.source.js';

let search: FakeCtSearch;
beforeEach(async () => {
  search = await startCtSearch();
});
afterEach(() => search.stop());

const options = (changed: object = {}) =>
  ctSearch.options.parse({ url: search.url, domains: ['example.com'], perMinute: 6000, timeoutS: 60, ...changed });
/** The ids that a scan from `from` reports, its troubles, and the position at its end. */
async function scan(from: string | null = null, changed: object = {}) {
  const reports: Report[] = [];
  for await (const report of ctSearch.scan(options(changed), networkContext(), from)) reports.push(report);
  const idsOf = (kind: string): number[] =>
    reports.flatMap((one) => (one.kind === kind && 'location' in one ? Number(one.location.split('id=')[1]) : []));
  const positions = reports.flatMap((one) => (one.kind === 'position' ? one.position : []));
  return { reports, found: idsOf('certificate'), troubles: idsOf('trouble'), position: positions.at(-1) ?? null };
}

describe('the source of Certificate Transparency', () => {
  it('reports each certificate of a domain and of the names below it once, and then what is new', async () => {
    const { id: own, pem } = search.log({ names: ['example.com'], serialHex: 'a1' });
    const { id: below } = search.log({ names: ['*.shop.example.com', 'other.test'], serialHex: 'a2' });
    search.log({ names: ['notexample.com', 'example.com.test'], serialHex: 'a3' });
    const first = await scan();
    expect(first.reports).toEqual([
      { kind: 'certificate', location: `${search.url}/?id=${own}`, chainPem: [pem], logged: true },
      expect.objectContaining({ location: `${search.url}/?id=${below}` }),
      { kind: 'position', position: expect.any(String) },
    ]);
    expect((await scan(first.position)).found).toEqual([]);
    const { id: later } = search.log({ names: ['new.example.com'], serialHex: 'a4' });
    const second = await scan(first.position);
    expect(second.found).toEqual([later]);
    expect((await scan(second.position)).found).toEqual([]);
    expect((await scan(null, { subdomains: false })).found).toEqual([own]);
  });

  it('reports an entry that appears after one with a higher id', async () => {
    search.log({ names: ['a.example.com'], serialHex: 'b1' }, 500);
    const { position } = await scan();
    search.log({ names: ['b.example.com'], serialHex: 'b2' }, 400);
    expect((await scan(position)).found).toEqual([400]);
  });

  it('reports a certificate rather than its precertificate, and a precertificate that is alone', async () => {
    const keyPem = search.newKey();
    const both = { names: ['both.example.com'], serialHex: 'c1', keyPem };
    search.log({ ...both, isPrecertificate: true });
    const leaf = search.log(both);
    const alone = search.log({ names: ['alone.example.com'], serialHex: 'c2', isPrecertificate: true });
    const { found, position } = await scan();
    expect(found).toEqual([leaf.id, alone.id]);
    expect(search.seen.filter((line) => line === 'GET /')).toHaveLength(4);
    expect((await scan(position)).found).toEqual([]);
  });

  it('goes on where it stopped when a scan may not read all, or fails', async () => {
    const ids = [1, 2, 3, 4, 5].map((n) => search.log({ names: [`n${n}.example.com`], serialHex: `d${n}` }).id);
    const first = await scan(null, { mostNew: 2 });
    expect(first.found).toEqual(ids.slice(0, 2));
    const second = await scan(first.position, { mostNew: 2 });
    expect(second.found).toEqual(ids.slice(2, 4));
    expect((await scan(second.position, { mostNew: 2 })).found).toEqual(ids.slice(4));
  });

  it('tells of an entry without its certificate, and reads it again in the next scan', async () => {
    const { id: hidden, pem } = search.log({ names: ['a.example.com'], serialHex: 'e1' });
    search.hide(hidden);
    const { id } = search.log({ names: ['b.example.com'], serialHex: 'e2' });
    const first = await scan();
    expect(first).toMatchObject({ found: [id], troubles: [hidden] });
    expect(await scan(first.position)).toMatchObject({ found: [], troubles: [hidden] });
    const again = search.add(pem);
    expect((await scan(first.position)).found).toEqual([again]);
  });

  it('begins anew for another address or an invalid position, and forgets domains that are not watched', async () => {
    const { id } = search.log({ names: ['example.com'], serialHex: 'f1' });
    const { position } = await scan();
    expect((await scan(position?.replace(search.url, 'https://other.test') ?? null)).found).toEqual([id]);
    expect((await scan('nonsense')).found).toEqual([id]);
    const other = await scan(position, { domains: ['example.org'] });
    expect((await scan(other.position)).found).toEqual([id]);
  });

  it.each([
    ['is overloaded', { status: 502, body: '<html>502 Bad Gateway</html>' }, 'unavailable', undefined],
    ['limits requests', { status: 429, body: 'Too many', headers: { 'retry-after': '90' } }, 'unavailable', 90],
    ['answers with a page', { status: 200, body: '<html>Sorry</html>' }, 'unavailable', undefined],
    ['breaks the connection', 'drop' as const, 'unavailable', undefined],
    ['does not answer', 'hang' as const, 'unavailable', undefined],
  ])('fails when the service %s, and the scan is tried again later', async (_, kind, fault, retryAfterS) => {
    search.fail({ on: /^GET/, kind });
    const error = await failureOf(scan(null, kind === 'hang' ? { timeoutS: 1 } : {}));
    expect(error).toMatchObject({ fault, ...(retryAfterS && { retryAfterS }) });
  });

  it('takes no longer than its rate and stops when it is told to', async () => {
    const ctx = networkContext();
    const ended = { ...ctx, signal: AbortSignal.abort(new Error('stopped')) };
    const scanning = ctSearch.scan(options(), ended, null)[Symbol.asyncIterator]();
    await expect(scanning.next()).rejects.toThrow('stopped');
    expect(search.seen).toEqual([]);
  });

  it.each([
    { domains: [] },
    { domains: ['com'] },
    { domains: ['*.example.com'] },
    { domains: ['exa%mple.com'] },
    { perMinute: 0 },
  ])('has no options %j', (changed) => {
    expect(ctSearch.options.safeParse({ domains: ['example.com'], ...changed }).success).toBe(false);
  });
});
