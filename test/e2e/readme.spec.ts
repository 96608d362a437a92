import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configTable } from '../../src/platform/config.js';
import { blocksOf, document, outputsOf, preparation } from '../support/page-commands.js';
import { freePort } from '../support/own-server.js';
import { adminPassword, startProgram, type TestProgram } from '../support/program.js';

const root = join(__dirname, '../..');

const textOf = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
/** Every document for people, from the root of the repository. */
const documents = async (): Promise<string[]> => [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...(await readdir(join(root, 'docs'), { recursive: true }))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('the documentation', () => {
  let program: TestProgram;
  let folder: string;
  beforeAll(async () => {
    const port = await freePort();
    program = await startProgram({ PORT: String(port), PKI_URL: `http://127.0.0.1:${port}` });
    folder = await mkdtemp(join(tmpdir(), 'perennial-readme-'));
  });
  afterAll(async () => {
    await program.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const outputs = (blocks: readonly string[]): Promise<string[]> =>
    outputsOf(blocks, folder, { PERENNIAL: program.url, PASSWORD: adminPassword });

  it('has a README of at most 200 lines whose commands work in order', async () => {
    const text = await textOf('README.md');
    expect(text.split('\n').length).toBeLessThanOrEqual(201);
    const blocks = blocksOf(text, 'sh');
    expect(blocks.length).toBe(9);
    const [, authorities, issued, imported, exported, deployed, noticed, rotated, revoked] = await outputs(blocks);
    expect(authorities).toContain('"cn":"Example Issuing CA"');
    expect(issued).toContain('leaf.pem: OK');
    expect(imported).toContain('old.example.com-selfsigned-');
    expect(exported).toMatch(/subject=CN = www\.example\.com/);
    expect(deployed).toMatch(/"state":"delivered"[^]*privkey\.pem -> current\/privkey\.pem/);
    expect(noticed).toMatch(/^\d+\n20\d\d-\d\d-\d\dT[^\n]*\n0\n/m);
    expect(rotated).toMatch(/"willRenew":true[^]*SAN-www\.example\.com-ExampleIssuingCA-/);
    expect(revoked).toContain('It is revoked.');
  });

  it('has pages whose shell blocks work after the functions and sign-in of the README', async () => {
    const printed = new Map<string, string>();
    for (const page of (await documents()).filter((path) => path.startsWith('docs/'))) {
      const blocks = blocksOf(document(page), 'sh');
      if (blocks.length > 0) printed.set(page, (await outputs([...preparation(), ...blocks])).slice(2).join(''));
    }
    expect(Object.fromEntries(printed)).toEqual({
      // What is published a moment later is asked for until it is there.
      'docs/ca-in-practice.md': inOrder(
        /^\ntrue\n\n[^]*leaf\.pem: OK\n\nservers-1\nleaf\.pem: OK\n2\n\nleaf\.pem: OK\n\nfalse\n\n\n/,
        /[^]*leaf\.pem: OK\n\n[^\n]*Example servers-1\nerror 23 at 1 depth lookup: certificate revoked\n/,
        /[^\n]*\nleaf\.pem: OK\n\n1\n\tReason: keyCompromise\n\nleaf\.pem: OK\nleaf\.pem: OK\n$/,
      ),
      'docs/operations.md': '0\nadmin\njobs.prune\nfalse\n\n0\n0\n',
      'docs/profiles.md': inOrder(
        /^1\n[^]*subject=O = Example Org, CN = orders\.mesh\.example\.com\n/,
        /[^]*TLS Web Server Authentication, TLS Web Client Authentication\n[^]*DNS:orders\.mesh\.example\.com\n/,
        /[^]*RSA2048 keys are not allowed[^]*must be "Example Org"[^]*at most 14 days\.\n[^]*mesh\n/,
      ),
      'docs/rights.md': 'monitoring\n',
      'docs/rotation.md': inOrder(
        /^(Sat,? 22\n){3}\n200\n\npause\n[^]*It is paused: of authority "rotation[^]*Nothing delivers/,
        /[^]*\n1 0 replacement example\n\n\n1\nissued\nReplacement run \d+ requested its successor[^\n]*\n\ntrue\n/,
      ),
      'docs/running-a-ca.md': '0\n',
      // A new source is also scanned when it is due, perhaps before it is asked to.
      'docs/discovery.md': inOrder(
        /^[12]\n\d+\n\n\[[^\]]*'shop\.example\.com@192\.0\.2\.7:8443',[^\]]*\]\n\n/,
        /Its private key .*\nGive it a destination.*\n\n\[ 'wiki\.example\.com imported' \]\n$/,
      ),
      'docs/verification.md':
        'No certificate of the issuer is known (CN=site.example.com)\nvalid\n' +
        'The certificate is not for other.example.com (CN=site.example.com)\n',
    });
    expect(printed.get('docs/profiles.md')).toMatch(/\nfalse\n[^]*DNS:cart\.mesh\.example\.com\n/);
  });

  it('has no broken link', async () => {
    const broken: string[] = [];
    for (const path of await documents()) {
      const prose = (await textOf(path)).replace(/^```[^]*?^```$/gm, '');
      const links = [...prose.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
      for (const [link, file = '', anchor] of links) {
        const target = file === '' ? path : join(dirname(path), file);
        const text = await textOf(target).catch((error: NodeJS.ErrnoException) =>
          error.code === 'EISDIR' ? '' : null,
        );
        if (text === null || (anchor !== undefined && !anchorsOf(text).includes(anchor)))
          broken.push(`${path}: ${link}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('lists the settings of the program', async () => {
    expect(await textOf('docs/settings.md')).toContain(configTable());
  });
});

/** A text that these match one behind another. */
function inOrder(...parts: readonly RegExp[]): unknown {
  return expect.stringMatching(new RegExp(parts.map(({ source }) => source).join('')));
}

/** The anchors of the headings, as code hosts make them. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
