import { once } from 'node:events';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createServer } from 'node:tls';
import { serialOf } from './expect.mjs';

/** The signal upon which servers read their certificate again, as SIGHUP is for nginx. */
export const reloadSignal = 'SIGUSR2';

/** A TLS server that serves what lies in a deployed folder, read again at each `reload`. */
export class WebServer {
  #folder;
  #server;
  /** Why it could not read its files the last time; null when it could. */
  fault = null;

  constructor(folder) {
    this.#folder = folder;
  }

  async listen() {
    this.#server = createServer(await this.#files(), (socket) => socket.on('error', () => undefined).resume());
    this.#server.on('tlsClientError', () => undefined);
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
  }

  async reload() {
    if (!this.#server) return;
    try {
      this.#server.setSecureContext(await this.#files());
      this.fault = null;
    } catch (error) {
      this.fault = error;
    }
  }

  close() {
    this.#server?.close();
  }

  /** `current` is followed once, so that key and chain are of one version. */
  async #files() {
    const version = await realpath(join(this.#folder, 'current'));
    const [key, cert] = await Promise.all(
      ['privkey.pem', 'fullchain.pem'].map((name) => readFile(join(version, name))),
    );
    return { key, cert };
  }
}

/** A TLS client that connects again and again, and writes down each change of the serial number and each failure. */
export class Visitor {
  /** `{serial, visit}` for the first visit and for each that saw another serial than the one before. */
  changes = [];
  failures = [];
  visits = 0;
  #stopped = false;

  /** `ca`: PEM of the only root that it trusts. */
  constructor({ port, host, ca }) {
    this.ended = this.#visit({ port, host, ca });
  }

  stop() {
    this.#stopped = true;
  }

  async #visit(target) {
    while (!this.#stopped) {
      try {
        const serial = await this.#handshake(target);
        if (this.changes.at(-1)?.serial !== serial) this.changes.push({ serial, visit: this.visits });
      } catch (error) {
        this.failures.push(`visit ${this.visits}: ${error.message}`);
      }
      this.visits += 1;
      await sleep(50);
    }
  }

  /** Fails unless chain, dates and name are right. */
  async #handshake({ port, host, ca }) {
    const socket = connect({ host: '127.0.0.1', port, servername: host, ca, timeout: 10_000 });
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    try {
      await once(socket, 'secureConnect');
      return serialOf(socket.getPeerCertificate().serialNumber);
    } finally {
      socket.destroy();
    }
  }
}
