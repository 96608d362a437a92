import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContext, type Server } from 'node:tls';
import { explained, type ListenAddress, listenAt } from './listening.js';

/** Key and certificate chain of a server, PEM. */
export interface ServerIdentity {
  key: string;
  cert: string;
}

/** Anybody may connect: one connection costs a question to the database and a signature. */
const mostConnections = 100;
const handshakeMs = 10_000;

/**
 * A TLS server that speaks one protocol (RFC 7301) and says nothing in it: clients look at its certificate. The
 * handshake fails for another protocol, and for a server name without an identity.
 */
export class AlpnListener {
  private readonly server: Server;
  private readonly connections = new Set<Socket>();

  constructor(protocol: string, identityOf: (serverName: string) => Promise<ServerIdentity | null>) {
    this.server = createServer({
      ALPNCallback: ({ protocols }) => (protocols.includes(protocol) ? protocol : undefined),
      SNICallback: (serverName, done) => {
        // Without a context, the server has no certificate to show.
        identityOf(serverName.toLowerCase()).then(
          (identity) => done(null, identity === null ? undefined : contextOf(identity)),
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
        );
      },
      handshakeTimeout: handshakeMs,
      minVersion: 'TLSv1.2',
    });
    this.server.maxConnections = mostConnections;
    this.server.on('connection', (socket: Socket) => this.bound(socket));
    this.server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined);
      socket.destroySoon();
    });
  }

  /** A connection ends in time also when its handshake fails or never begins. */
  private bound(socket: Socket): void {
    this.connections.add(socket);
    const late = setTimeout(() => socket.destroy(), handshakeMs);
    socket.once('close', () => {
      clearTimeout(late);
      this.connections.delete(socket);
    });
  }

  /** Opens the address that the setting gives; answers the port. Throws with a message for the operator. */
  listen(address: ListenAddress, setting: string): Promise<number> {
    return explained(listenAt(this.server, address), address, setting);
  }

  /** Ends every connection. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.connections) socket.destroy();
    return closed;
  }
}

function contextOf(identity: ServerIdentity): SecureContext {
  return createSecureContext({ ...identity, minVersion: 'TLSv1.2' });
}
