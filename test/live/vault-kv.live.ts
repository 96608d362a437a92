import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { describeLive } from '../support/live.js';
import { type LiveProgram, startLiveProgram } from '../support/live-program.js';
import { describeVaultKv } from '../support/vault-kv-suite.js';
import { describeVaultKvSource } from '../support/vault-kv-source-suite.js';
import { devServer, missingVault, vaultProgram } from '../support/live-vault.js';

const adminToken = 'live-root-token';
/** The policies of the manual, for the engines of the suite and the paths that it uses beside those of the manual. */
const section = /^## Vault KV$[^]*?(?=^## |(?![^]))/m.exec(readFileSync('docs/destinations.md', 'utf8'))?.[0] ?? '';
const manual = [...section.matchAll(/```ini\n([^`]+)```/g)].map(([, policy = '']) => policy);
const ofSource = /^## Vault KV$[^]*?(?=^## |(?![^]))/m.exec(readFileSync('docs/discovery.md', 'utf8'))?.[0] ?? '';
const manualOfSource = [...ofSource.matchAll(/```ini\n([^`]+)```/g)].map(([, policy = '']) => policy);
const policy = [
  ...manualOfSource.map((text, at) => text.replaceAll('"secret/', at === 0 ? '"kv2/' : '"kv1/')),
  ...manual.map((text, at) => text.replaceAll('"secret/', at === 0 ? '"kv2/' : '"kv1/')),
  ...manual.map((text, at) =>
    text.replaceAll('"secret/', at === 0 ? '"kv2/' : '"kv1/').replaceAll('certificates/', 'one/'),
  ),
  'path "transit/keys" { capabilities = ["list"] }',
].join('\n');

describeLive('vault-kv with a real OpenBao or Vault', missingVault(), () => {
  let folder: string;
  let server: LiveProgram;
  let token: string;
  const urlOf = (port: number): string => `http://127.0.0.1:${port}/v1`;
  const call = async (path: string, body: object): Promise<{ auth: { client_token: string } }> => {
    const headers = { 'x-vault-token': adminToken };
    const answer = await fetch(`${urlOf(server.port)}/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    return JSON.parse(text || '{}') as { auth: { client_token: string } };
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'live-vault-kv-'));
    const isUp = async (port: number): Promise<boolean> => (await fetch(`${urlOf(port)}/sys/health`)).ok;
    server = await startLiveProgram(vaultProgram, devServer(adminToken), isUp, { cwd: folder });
    const engines = {
      kv1: { type: 'kv', options: { version: '1' } },
      kv2: { type: 'kv-v2' },
      transit: { type: 'transit' },
    };
    for (const [mount, engine] of Object.entries(engines)) await call(`sys/mounts/${mount}`, engine);
    await call('sys/policies/acl/certificates', { policy });
    token = (await call('auth/token/create', { policies: ['certificates'] })).auth.client_token;
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  describeVaultKv(() => ({ url: `http://127.0.0.1:${server.port}`, token, adminToken }));
  describeVaultKvSource(() => ({ url: `http://127.0.0.1:${server.port}`, token, adminToken }));
});
