import { once } from 'node:events';
import { connect } from 'node:net';

/**
 * One keep-alive connection that sends whole requests one after another, and reads of each answer its status, its
 * length and its octets. The client shares the machine with what it measures, and costs a third of one of node:http.
 */
export class RawClient {
  #waiting = null;
  #parts = [];
  #missing = 0;

  /** Rejects when the server cannot be reached. */
  static async open({ hostname, port }) {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  constructor(socket) {
    this.socket = socket;
    socket.on('data', (part) => this.#read(part));
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('The server has closed the connection.')));
  }

  /** Sends the octets of one request; resolves with status and body. Rejects without Content-Length. */
  ask(octets) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.socket.write(octets);
    });
  }

  close() {
    this.#waiting = null;
    this.socket.destroy();
  }

  #read(part) {
    this.#parts.push(part);
    if (this.#missing > part.length) {
      this.#missing -= part.length;
      return;
    }
    const answer = this.#parts.length === 1 ? part : Buffer.concat(this.#parts);
    const headEnd = answer.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = answer.latin1Slice(0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    this.#missing = headEnd + 4 + length - answer.length;
    if (this.#missing > 0) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#parts = [];
    this.#missing = 0;
    if (Number.isNaN(length)) waiting.reject(new Error(`An answer has no Content-Length: ${head}`));
    else waiting.resolve({ status: Number(head.slice(9, 12)), body: answer.subarray(headEnd + 4) });
  }
}

/** The octets of a POST. */
export function postRequest({ host, pathname }, type, body) {
  const headers = `host: ${host}\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(`POST ${pathname} HTTP/1.1\r\n${headers}`), body]);
}
