import { createConnection, createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProgram } from './program.mjs';

const quietMs = 3000;

/**
 * Round trips to the database for one certificate that one client asks for, without those that the program makes when
 * nobody asks. Starts the program once more, behind a proxy that counts.
 */
export async function roundTripsOf({ build, databaseUrl, dataDir, issue, count }) {
  const proxy = await countingProxy(databaseUrl);
  try {
    const program = await startProgram({ build, databaseUrl: proxy.url, dataDir, sockets: 1 });
    try {
      for (let i = 0; i < 20; i++) await issue(program.caller);
      const quiet = await countedFor(proxy, () => sleep(quietMs));
      const asked = await countedFor(proxy, async () => {
        for (let i = 0; i < count; i++) await issue(program.caller);
      });
      return (asked.trips - (quiet.trips / quiet.ms) * asked.ms) / count;
    } finally {
      await program.stop();
    }
  } finally {
    proxy.stop();
  }
}

async function countedFor(proxy, work) {
  const [trips, start] = [proxy.trips(), performance.now()];
  await work();
  return { trips: proxy.trips() - trips, ms: performance.now() - start };
}

/** Passes on what goes to the server of `databaseUrl`, and counts the messages that a client waits for an answer to. */
async function countingProxy(databaseUrl) {
  const url = new URL(databaseUrl);
  const port = url.searchParams.get('port') ?? (url.port || '5432');
  const host = url.searchParams.get('host') ?? url.hostname;
  const target = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port: Number(port) };
  let trips = 0;
  const server = createServer((client) => {
    const upstream = createConnection(target);
    const count = messageCounter(() => (trips += 1));
    client.on('data', count);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream])
      socket.on('error', () => undefined).on('close', () => [client, upstream].forEach((one) => one.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.searchParams.set('host', '127.0.0.1');
  url.searchParams.set('port', String(server.address().port));
  url.searchParams.set('sslmode', 'disable');
  return { url: url.href, trips: () => trips, stop: () => server.close() };
}

/** Reads the stream of a client: a start-up message without a type, then messages of a type and a length. */
function messageCounter(seen) {
  let rest = Buffer.alloc(0);
  let started = false;
  return (part) => {
    rest = Buffer.concat([rest, part]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) return;
      const size = head + rest.readInt32BE(head);
      if (rest.length < size) return;
      // A simple query, or the end of an extended one.
      if (started && (rest[0] === 0x51 || rest[0] === 0x53)) seen();
      started = true;
      rest = rest.subarray(size);
    }
  };
}
