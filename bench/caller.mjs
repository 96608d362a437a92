import { Agent, request } from 'node:http';

/** Calls the API over keep-alive connections. Plain node:http keeps the cost of the load generator low. */
export class Caller {
  token = '';

  /** `url` ends with the prefix of the API. */
  constructor(url, sockets) {
    this.url = new URL(url);
    this.agent = new Agent({ keepAlive: true, maxSockets: sockets });
  }

  /** Returns the body as text. Throws unless the status is one of these. `body` is JSON text. */
  text(method, path, body, statuses = [200]) {
    const headers = {
      ...(this.token && { authorization: `Bearer ${this.token}` }),
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    };
    const { hostname, port, pathname } = this.url;
    return new Promise((resolve, reject) => {
      const sent = request(
        { agent: this.agent, method, hostname, port, path: pathname + path, headers },
        (response) => {
          const parts = [];
          response.on('data', (part) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8');
            if (statuses.includes(response.statusCode)) resolve(text);
            else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** As `json`, for what may be done later: status 202 is fine, too. */
  async accepted(method, path, body) {
    return JSON.parse(await this.text(method, path, body === undefined ? undefined : JSON.stringify(body), [200, 202]));
  }

  /** As `text`, with JavaScript values. */
  async json(method, path, body) {
    return JSON.parse(await this.text(method, path, body === undefined ? undefined : JSON.stringify(body)));
  }
}
