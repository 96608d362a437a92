import { createServer } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

/*
 * A TLS server at every address of 127.0.0.0/8, on one port, in a process of its own. The parent sends certificates
 * with their keys, in PEM, and gets the port; the last octets of an address select the certificate that it serves.
 */
process.once('message', (served) => {
  const contexts = served.map(({ cert, key }) => createSecureContext({ cert, key }));
  const server = createServer((socket) => {
    const [, , high, low] = (socket.localAddress ?? '0.0.0.0').split('.').map(Number);
    const secureContext = contexts[(high * 256 + low) % contexts.length];
    socket.on('error', () => undefined);
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined).resume();
  });
  server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, () => process.send(server.address().port));
});
process.once('disconnect', () => process.exit());
