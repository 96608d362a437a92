import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { beyondOpenssl, oneOfEach } from '../support/odd-certificates.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

let program: TestProgram;
let base: string;
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'odd-'));
  program = await startProgram();
});
afterAll(async () => {
  await program.stop();
  rmSync(base, { recursive: true, force: true });
});

const upload = (body: string, more: object = {}) =>
  program.call('POST', '/certificates/upload', { owner: 'joe@example.com', body, ...more });
const list = (query: string): Promise<Json> => program.ok('GET', `/certificates?showExpired=true&count=1000&${query}`);
const filtered = async (field: string, value: string): Promise<number[]> =>
  (await list(`filter=${encodeURIComponent(`${field};${value}`)}`)).items.map(({ id }: Json) => id as number);

describe('a certificate that OpenSSL reads', () => {
  const kinds = oneOfEach();

  it.each(kinds)('with %s is stored, shown, found and exported', async (kind, pem) => {
    if (!beyondOpenssl.has(kind)) expect(() => new X509Certificate(pem)).not.toThrow();
    const { status, body } = await upload(pem);
    expect(body).toMatchObject({ id: expect.any(Number) as number });
    expect(status).toBe(200);
    expect(await program.ok('GET', `/certificates/${body.id}`)).toEqual(body);
    expect(await filtered('serial', body.serial)).toContain(body.id);
    expect(await filtered('serialHex', body.serialHex)).toContain(body.id);
    expect((await list(`serial=${body.serial}`)).items).toContainEqual(body);
    for (const { value } of body.extensions.subAltNames.names.filter(({ nameType }: Json) => nameType === 'DNSName'))
      for (const text of [value, `"${value}"`]) expect(await filtered('name', text)).toContain(body.id);
    for (const slug of ['pem', 'java-truststore', 'pkcs12-truststore']) {
      const exported = await program.call('POST', `/certificates/${body.id}/export`, { plugin: { slug } });
      expect(exported.status, `${slug}: ${JSON.stringify(exported.body)}`).toBe(200);
    }
  });

  it('is in every sorted list exactly once (24: UCM#280)', async () => {
    for (const sortBy of ['id', 'name', 'owner', 'cn', 'issuer', 'lifecycle', 'notBefore', 'notAfter', 'dateCreated']) {
      const ids: number[] = [];
      for (let after = ''; ;) {
        const page = await program.ok(
          'GET',
          `/certificates?showExpired=true&count=7&sortBy=${sortBy}&sortDir=desc${after}`,
        );
        ids.push(...page.items.map(({ id }: Json) => id as number));
        if (!page.next) break;
        after = `&after=${page.next}`;
      }
      expect(new Set(ids).size).toBe(kinds.length);
      expect(ids.length).toBe(kinds.length);
    }
  });

  it('is shown with its unusual serial number, dates and names (16: certmate#88)', async () => {
    const serials = (await list('')).items.map(({ serial }: Json) => serial as string);
    expect(serials).toContain('-5');
    expect(await filtered('serial', '-5')).toHaveLength(1);
    expect((await list('serial=-0x5')).items[0]).toMatchObject({ serial: '-5', serialHex: '-5' });
    const [yearZero] = (await list('sortBy=notAfter')).items;
    expect(yearZero).toMatchObject({ notBefore: '0000-01-01T00:00:00+00:00', notAfter: '0000-12-31T23:59:59+00:00' });
    const [every] = (await list(`filter=${encodeURIComponent('distinguishedName;odd-')}`)).items.filter(
      ({ extensions }: Json) => extensions.subAltNames.names.length === 7,
    );
    expect(every.extensions.subAltNames.names).toEqual([
      { nameType: 'registeredID', value: '1.2.3.4' },
      { nameType: 'otherName', value: '1.3.6.1.4.1.311.20.2.3;UTF8:joe@example.com' },
      { nameType: 'x400Address', value: expect.any(String) as string },
      { nameType: 'directoryName', value: 'O=Example,CN=Joe' },
      { nameType: 'ediPartyName', value: expect.any(String) as string },
      { nameType: 'IPNetwork', value: '10.0.0.0/8' },
      { nameType: 'unknown', value: '#010203' },
    ]);
  });
});

describe('a source with unusual certificates', () => {
  it('imports each of them, and reports the one that it cannot read', async () => {
    const kinds = oneOfEach();
    const path = join(base, 'found');
    mkdirSync(path);
    kinds.forEach(([, pem], i) => writeFileSync(join(path, `${i}.pem`), pem));
    writeFileSync(join(path, 'none.pem'), '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n');
    const { id } = await program.ok('POST', '/sources', {
      label: 'odd',
      owner: 'web@example.com',
      active: false,
      plugin: { id: 'filesystem-source', options: { path, authorities: true } },
    });
    await program.ok('POST', `/sources/${id}/sync`);
    const sync = await eventually(async () => {
      const { lastSync } = await program.ok('GET', `/sources/${id}`);
      return lastSync?.finishedAt ? lastSync : null;
    });
    expect(sync).toMatchObject({
      troubles: 1,
      troubleList: [{ location: join(path, 'none.pem') }],
      certificates: kinds.length,
    });
  });
});
