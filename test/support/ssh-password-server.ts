import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import ssh2 from 'ssh2';
import { fingerprintOf } from '../../plugins/sftp/host-keys.js';

/** A server that takes a password in one way alone: OpenSSH's takes none without accounts of the machine. */
export async function startPasswordServer(
  method: 'password' | 'keyboard-interactive',
  password: string,
): Promise<{ port: number; hostKeys: string; stop(): void }> {
  // Of its Ed25519 keys the library cannot read every 400th.
  const { private: hostKey } = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
  const parsed = ssh2.utils.parseKey(hostKey);
  if (parsed instanceof Error) throw parsed;
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (asked) => {
      const settle = (given: string | undefined): void => (given === password ? asked.accept() : asked.reject());
      if (asked.method !== method) asked.reject([method]);
      else if (asked.method === 'password') settle(asked.password);
      else if (asked.method === 'keyboard-interactive')
        asked.prompt([{ prompt: 'Password: ', echo: false }], ([given]) => settle(given));
    });
    connection.on('session', (accept) => {
      accept().on('sftp', (_accept, reject) => reject());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, hostKeys: fingerprintOf(parsed.getPublicSSH()), stop: () => void server.close() };
}
