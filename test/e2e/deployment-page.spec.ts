import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nginxWith, type TestNginx } from '../support/nginx.js';
import { freePort, ownFolder } from '../support/own-server.js';
import {
  blocksOf,
  consoleCommands,
  document,
  expectFollowed,
  runCommand,
  sectionOf,
} from '../support/page-commands.js';
import { startProgram, type TestProgram } from '../support/program.js';

const section = sectionOf(document('docs/deployment.md'), 'An example: nginx');
const theirs = '/etc/ssl/perennial';
let program: TestProgram;
let nginx: TestNginx;
let folder: string;
let port: number;

beforeAll(async () => {
  [folder, port] = [await ownFolder('nginx-page'), await freePort()];
  const [servers = ''] = blocksOf(section, 'ini');
  expect(servers).toContain('listen 443 ssl;');
  nginx = await nginxWith(servers.replace('listen 443', `listen 127.0.0.1:${port}`).replaceAll(theirs, folder), port);
  // As the page has it, but for the nginx of this test, whose configuration is elsewhere.
  const [, given = ''] = /RELOAD_COMMANDS='([^']+)'/.exec(section) ?? [];
  const { nginx: command } = JSON.parse(given) as { nginx: string[] };
  program = await startProgram({
    ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
    RELOAD_COMMANDS: JSON.stringify({ nginx: [...command, '-c', nginx.configuration] }),
  });
  await program.ok('POST', '/authorities', { name: 'issuing', owner: 'pki@example.com', commonName: 'Issuing' });
});
afterAll(async () => {
  await program.stop();
  await nginx.remove();
  await rm(folder, { recursive: true });
});

it('The page about deployment has nginx serve a certificate when its example is followed as written.', async () => {
  const [first, second, ...rest] = consoleCommands(section);
  for (const one of [first, second])
    await runCommand(`cd '${folder}'; ${(one?.command ?? '').replaceAll(theirs, folder)}`, folder);
  await nginx.start();
  await expectFollowed(rest, { program, folder, replaced: { [theirs]: folder, '127.0.0.1:443': `127.0.0.1:${port}` } });
});
