import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { acmeTlsCertificate } from '../../pki/acme-tls.js';
import { generatePrivateKey } from '../../pki/key.js';
import { AlpnListener } from './alpn-listener.js';

const address = { host: '127.0.0.1', port: 0 };
const listeners: AlpnListener[] = [];
afterEach(async () => {
  for (const one of listeners.splice(0)) await one.close();
});
function listener(): AlpnListener {
  const made = new AlpnListener('acme-tls/1', () => Promise.resolve(null));
  listeners.push(made);
  return made;
}

it('says which setting to change when its port is in use, and closes although it never listened', async () => {
  const port = await listener().listen(address, 'TLS_ALPN_LISTEN');
  await expect(listener().listen({ ...address, port }, 'TLS_ALPN_LISTEN')).rejects.toThrow(
    `Cannot listen on 127.0.0.1, port ${port}: the port is in use by another program. Stop that one, or set ` +
      'TLS_ALPN_LISTEN to another port.',
  );
});

it('closes while a connection is open that says nothing', async () => {
  const made = listener();
  const port = await made.listen(address, 'TLS_ALPN_LISTEN');
  const silent = connect({ host: '127.0.0.1', port });
  // It is reset when the listener had not come to take it.
  silent.on('error', () => undefined);
  await new Promise<void>((resolve) => silent.once('connect', resolve));
  const ended = new Promise<void>((resolve) => silent.once('close', () => resolve()));
  silent.resume();
  await made.close();
  await ended;
});

it('shows the certificate of a server name in its protocol alone, and hangs up', async () => {
  const key = await generatePrivateKey('ECCPRIME256V1');
  const [notBefore, notAfter] = [new Date(Date.now() - 86_400_000), new Date(Date.now() + 86_400_000)];
  const answer = { name: 'www.example.test', digest: Buffer.alloc(32), notBefore, notAfter };
  const identity = {
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: await acmeTlsCertificate(answer, key),
  };
  const made = new AlpnListener('acme-tls/1', (name) => Promise.resolve(name === answer.name ? identity : null));
  listeners.push(made);
  const port = await made.listen(address, 'TLS_ALPN_LISTEN');
  const shown = async (servername: string, protocol: string): Promise<string | undefined> => {
    const given = { host: '127.0.0.1', port, servername, ALPNProtocols: [protocol], rejectUnauthorized: false };
    const client = connectTls(given);
    client.resume();
    await once(client, 'secureConnect');
    const { subjectaltname } = client.getPeerCertificate();
    await once(client, 'close');
    return subjectaltname;
  };
  expect(await shown('WWW.example.test', 'acme-tls/1')).toBe('DNS:www.example.test');
  await expect(shown('www.example.test', 'h2')).rejects.toThrow(/no application protocol/i);
  await expect(shown('other.example.test', 'acme-tls/1')).rejects.toThrow();
});
