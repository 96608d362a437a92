import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openssl, startTestAuthority, type TestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { execFileSync } from '../support/sync-programs.js';

const owner = 'web@example.com';
let folder: string;
let authority: TestAuthority;
let program: TestProgram;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bulk-upload-'));
  authority = startTestAuthority();
  program = await startProgram();
});
afterAll(async () => {
  await program.stop();
  authority.close();
  rmSync(folder, { recursive: true, force: true });
});

const upload = (body: object): Promise<Json> => program.ok('POST', '/certificates/upload/bulk', { owner, ...body });
const outcomes = ({ items }: Json): string[] => items.map(({ cn, outcome }: Json) => `${cn} ${outcome}`);
const total = async (): Promise<number> => (await program.ok('GET', '/certificates?count=1')).total;

describe('a bulk upload', () => {
  it('of PEM blocks in any order finds out keys and chains, tells what it would do, and does it once', async () => {
    const [a, b] = [authority.issue('a.example.com'), authority.issue('b.example.com')];
    const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
    const pem = [b.privateKeyPem, ...b.chainPem.toReversed(), broken, ...a.chainPem].join('');
    const before = await total();
    const dry = await upload({ pem, dryRun: true });
    expect(outcomes(dry).sort()).toEqual([
      ...['Test Issuing skipped', 'a.example.com found', 'b.example.com found', 'null failed'],
    ]);
    expect([dry.imported, dry.failed, await total()]).toEqual([0, 1, before]);

    const done = await upload({ pem, labels: ['bulk'] });
    expect(done).toMatchObject({ dryRun: false, imported: 2, failed: 1 });
    const idOf = (cn: string): number => done.items.find((item: Json) => item.cn === cn).id;
    expect(await program.ok('GET', `/certificates/${idOf('b.example.com')}`)).toMatchObject({
      owner,
      hasPrivateKey: true,
      chain: b.chainPem[1],
      labels: ['bulk'],
    });
    expect(await program.ok('GET', `/certificates/${idOf('a.example.com')}`)).toMatchObject({
      hasPrivateKey: false,
      chain: a.chainPem[1],
    });
    expect(outcomes(await upload({ pem })).sort()).toEqual([
      ...['Test Issuing skipped', 'a.example.com known', 'b.example.com known', 'null failed'],
    ]);
    expect(outcomes(await upload({ pem, dryRun: true }))).toContain('a.example.com known');
  });

  it('of a ZIP archive reads all formats, names each file, and shows no secret', async () => {
    const [c, d] = [authority.issue('c.example.com'), authority.issue('d.example.com')];
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('c.crt'), c.chainPem.join(''));
    writeFileSync(at('c.key'), c.privateKeyPem);
    writeFileSync(at('in.pem'), d.chainPem.join('') + d.privateKeyPem);
    openssl(['pkcs12', '-export', '-in', at('in.pem'), '-out', at('d.p12'), '-passout', 'pass:Passphrase of d']);
    writeFileSync(at('junk.der'), 'junk');
    execFileSync('zip', ['-q', 'all.zip', 'c.crt', 'c.key', 'd.p12', 'junk.der'], { cwd: folder });
    const zip = readFileSync(at('all.zip')).toString('base64');
    const done = await upload({ zip, passphrases: ['Passphrase of d'] });
    expect(done.items).toMatchObject([
      { path: 'junk.der', outcome: 'failed' },
      { path: 'c.crt', cn: 'Test Issuing', outcome: 'skipped' },
      {
        path: 'c.crt',
        cn: 'c.example.com',
        outcome: 'imported',
        detail: expect.stringMatching(/^with its key, 1 issuer/),
      },
      { path: 'd.p12', cn: 'd.example.com', outcome: 'imported', detail: expect.stringMatching(/^with its key/) },
    ]);
    expect(JSON.stringify(done)).not.toMatch(/Passphrase of d|PRIVATE KEY/);
  });

  it.each([
    [{ zip: Buffer.from('no archive').toString('base64') }, 'zip'],
    [{ pem: 'nothing' }, 'pem'],
    [{ pem: 'x', zip: 'eA==' }, 'pem'],
    [{}, 'pem'],
  ])('of %j is refused', async (body, member) => {
    const { status, body: problem } = await program.call('POST', '/certificates/upload/bulk', { owner, ...body });
    expect([status, Object.keys(problem.reasons)]).toEqual([400, [member]]);
  });
});
