import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { startToy, type ToyApp } from '../../../test/support/toy-app.js';

describe('on a real socket', () => {
  let port = 0;
  let live: ToyApp;
  beforeAll(async () => {
    live = await startToy();
    await live.app.listen(0, '127.0.0.1');
    port = (live.app.getHttpServer().address() as { port: number }).port;
  });

  it('sends no body to HEAD, not even for a problem', async () => {
    const raw = await talk(port, 'HEAD /api/1/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(raw).toMatch(/^HTTP\/1\.1 404 /);
    expect(raw.endsWith('\r\n\r\n')).toBe(true);
  });

  it('breaks off an answer that failed half way, and logs why', async () => {
    const raw = await talk(port, 'GET /api/1/toys/half/sent HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(raw).toMatch(/half$/);
    expect(live.lines).toContainEqual(
      expect.objectContaining({ msg: 'request failed', route: '/api/1/toys/half/sent' }),
    );
  });

  it('refuses a large body by its announced length, before it is sent', async () => {
    const raw = await talk(
      port,
      'POST /api/1/toys HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n',
    );
    expect(raw).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('closes at once although a client keeps its connection open', async () => {
    const closed = new Promise<void>((resolve) => {
      httpRequest({ port, path: '/health/live', headers: { connection: 'keep-alive' } }, (response) =>
        response.resume().on('end', resolve),
      ).end();
    });
    await closed;
    await live.app.close();
    await expect(talk(port, '')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('closes although a client has connected and asks nothing', async () => {
    const { app } = await startToy();
    await app.listen(0, '127.0.0.1');
    const talked = talk((app.getHttpServer().address() as { port: number }).port, '');
    await once(app.getHttpServer(), 'connection');
    await app.close();
    expect(await talked).toBe('');
  });

  it('answers a request that is under way when it closes, and then closes its connection', async () => {
    let answer: ((rows: unknown[]) => void) | undefined;
    const { app } = await startToy({
      query: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    });
    await app.listen(0, '127.0.0.1');
    const server = app.getHttpServer();
    const talked = talk((server.address() as { port: number }).port, 'GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n');
    await vi.waitFor(() => expect(answer).toBeDefined(), 90_000);
    const closed = app.close();
    await vi.waitFor(() => expect(server.listening).toBe(false), 90_000);
    answer?.([]);
    expect(await talked).toMatch(/^HTTP\/1\.1 [^]*\r\nconnection: close\r\n/i);
    await closed;
  });
});

function talk(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket
      .on('data', (data) => {
        answer += data.toString();
      })
      .on('close', () => resolve(answer))
      .on('error', reject);
  });
}
