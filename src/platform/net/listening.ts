import type { AddressInfo, Server } from 'node:net';

/** An address to listen on; port 0 takes a free one. */
export interface ListenAddress {
  host: string;
  port: number;
}

/** Opens the address and gives the port. Throws the system's error when it cannot be opened. */
export async function listenAt(server: Server, { host, port }: ListenAddress): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

const faults: Readonly<Record<string, (setting: string) => string>> = {
  EADDRINUSE: (setting) => `the port is in use by another program. Stop that one, or set ${setting} to another port.`,
  EACCES: (setting) => `this user may not open the port. Set ${setting} to one above 1023.`,
  EADDRNOTAVAIL: (setting) =>
    `this machine does not have the address. Set ${setting === 'PORT' ? 'HOST' : setting} to one that it has.`,
};

/** What `opening` gives. Throws with a message for the operator that names the setting of the address. */
export async function explained<T>(opening: Promise<T>, { host, port }: ListenAddress, setting: string): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    const fault = faults[(error as NodeJS.ErrnoException).code ?? ''];
    if (fault === undefined) throw error;
    throw new Error(`Cannot listen on ${host}, port ${port}: ${fault(setting)}`, { cause: error });
  }
}
