import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configTable } from '../../src/platform/config.js';
import { adminPassword, startProgram, type TestProgram } from '../support/program.js';

const run = promisify(execFile);
const readme = join(__dirname, '../../README.md');

describe('the README', () => {
  let program: TestProgram;
  let folder: string;
  beforeAll(async () => {
    program = await startProgram();
    folder = await mkdtemp(join(tmpdir(), 'perennial-readme-'));
  });
  afterAll(async () => {
    await program.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('works from top to bottom as it is written', async () => {
    const blocks = [...(await readFile(readme, 'utf8')).matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block);
    expect(blocks.length).toBe(9);
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', blocks.join('\necho; echo ----\n')], {
      cwd: folder,
      env: { ...process.env, PERENNIAL: program.url, PASSWORD: adminPassword },
    });
    const [, authorities, issued, imported, exported, deployed, noticed, rotated, revoked] = stdout.split('----\n');
    expect(authorities).toContain('"cn":"Example Issuing CA"');
    expect(issued).toContain('leaf.pem: OK');
    expect(imported).toContain('old.example.com-selfsigned-');
    expect(exported).toMatch(/subject=CN = www\.example\.com/);
    expect(deployed).toMatch(/privkey\.pem -> current\/privkey\.pem[^]*"state":"delivered"/);
    expect(noticed).toMatch(/^\d+\n20\d\d-\d\d-\d\dT[^\n]*\n0\n/m);
    expect(rotated).toMatch(/"willRenew":true[^]*SAN-www\.example\.com-ExampleIssuingCA-/);
    expect(revoked).toContain('It is revoked.');
  });

  it('lists the settings of the program', async () => {
    expect(await readFile(readme, 'utf8')).toContain(configTable());
  });
});
