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
    this.server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined);
      socket.destroySoon();
    });
  }

  /** Opens the address that the setting gives; answers the port. Throws with a message for the operator. */
  listen(address: ListenAddress, setting: string): Promise<number> {
    return explained(listenAt(this.server, address), address, setting);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

function contextOf(identity: ServerIdentity): SecureContext {
  return createSecureContext({ ...identity, minVersion: 'TLSv1.2' });
}
