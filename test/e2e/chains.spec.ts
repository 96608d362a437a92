import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../../migrations/index.js';
import { ChainsApart1763700000063 } from '../../migrations/1763700000063-chains-apart.js';
import { migrate } from '../../src/platform/db/data-source.js';
import type { Json } from '../support/json.js';
import { undoLast } from '../support/database.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { execFileSync } from '../support/sync-programs.js';

let program: TestProgram;
let ids: number[];
const folder = mkdtempSync(join(tmpdir(), 'chains-'));
const rows = (sql: string): Promise<Json[]> => program.database.source.query(sql);
const shown = (): Promise<Json[]> => Promise.all(ids.map((id) => program.ok('GET', `/certificates/${id}`)));

beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  const owner = 'pki@example.com';
  await program.ok('POST', '/authorities', { name: 'root', owner, commonName: 'Root' });
  await program.ok('POST', '/authorities', {
    name: 'sub',
    owner,
    type: 'subca',
    commonName: 'Sub',
    parent: { name: 'root' },
  });
  const issue = (authority: string, n: number): Promise<Json> =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: `${authority}-${n}.example.com`,
      authority: { name: authority },
      validityDays: 30,
    });
  const issued = await Promise.all([...[1, 2, 3, 4].map((n) => issue('sub', n)), issue('root', 5)]);
  ids = issued.map(({ id }) => id);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await program.stop();
});

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe('the chain of certificates', () => {
  it('is stored once for all that have it, and openssl verifies each certificate with it', async () => {
    const chains = await rows('select distinct chain_id as id from certificate where chain_id is not null');
    expect(await rows('select id from certificate_chain')).toEqual([...chains].sort((a, b) => a.id - b.id));
    for (const { name, body, chain, csr } of await shown()) {
      const [leaf, issuers] = [file(`${name}.pem`, body), file(`${name}.chain.pem`, chain)];
      const answer = execFileSync('openssl', [
        'verify',
        '-partial_chain',
        '-CAfile',
        issuers,
        '-untrusted',
        issuers,
        leaf,
      ]);
      expect(answer.toString()).toContain(': OK');
      expect(execFileSync('openssl', ['x509', '-in', leaf]).toString()).toBe(body);
      expect(execFileSync('openssl', ['req', '-in', file(`${name}.csr`, csr)]).toString()).toBe(csr);
    }
  });

  it('certificates and CSRs are the same after the migration is undone and made again', async () => {
    const before = await shown();
    for (let left = migrations.length - migrations.indexOf(ChainsApart1763700000063); left > 0; left -= 1)
      await undoLast(program.database.source);
    const old = await rows(
      'select id, body_pem as body, chain_pem as chain, csr_pem as csr from certificate order by id',
    );
    expect(old).toEqual(
      before.map(({ id, body, chain, csr }) => ({ id, body, chain, csr })).sort((a, b) => a.id - b.id),
    );
    await migrate(program.database.source);
    expect(await shown()).toEqual(before);
  });
});
