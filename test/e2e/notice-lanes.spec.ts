import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

let program: TestProgram;
let server: Server;
/** The requests that were taken and never answered. */
const held: ServerResponse[] = [];
let taken = 0;

async function subscribe(label: string): Promise<void> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${label}`;
  const options = { url, secret: 'a secret of more than sixteen bytes' };
  await program.ok('POST', '/channels', { label, plugin: { id: 'webhook', options } });
  const more = { scope: 'all', events: ['certificate.issued'] };
  await program.ok('POST', '/subscriptions', { label, channel: { label }, ...more });
}

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.url === '/hanging') return void held.push(response);
      taken += 1;
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await program.stop();
  server.closeAllConnections();
  server.close();
});

describe('a channel whose receiver takes messages and never answers', () => {
  it('holds up neither other channels nor the mail to owners', async () => {
    await subscribe('hanging');
    await subscribe('living');
    const names = Array.from({ length: 12 }, (_, i) => `host-${i}.example.com`);
    for (const commonName of names) {
      const request = { owner: 'joe@example.com', commonName, authority: { name: 'root' }, validityDays: 90 };
      await program.ok('POST', '/certificates', request);
    }
    const { items } = await program.ok('GET', '/certificates?filter=cn;host-1.example.com');
    await program.ok('PUT', `/certificates/${(items as { id: number }[])[0]?.id ?? 0}/revoke`, {});
    const mails = async (): Promise<{ to: string[] }[]> => (await program.ok('GET', '/mails')).items;
    await eventually(async () => taken === names.length);
    await eventually(async () => (await mails()).some(({ to }) => to.includes('joe@example.com')));
    // The sender has not given up on any of them: nothing waited for that.
    expect(held.map(({ closed }) => closed)).toEqual([false, false]);
    const lanes: unknown = await program.database.source.query(
      `select distinct split_part(lane, ':', 1) as lane from outbox where job = 'notice.send' order by 1`,
    );
    expect(lanes).toEqual([{ lane: 'channel' }, { lane: 'owner-mail' }]);
  });
});
