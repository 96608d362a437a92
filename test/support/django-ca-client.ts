import { X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import type { Json } from './json.js';
import { adminPassword, type Answer, type TestProgram } from './program.js';

/** The password of every user but `admin`. */
export const password = 'Correct-Horse-2!';

export const commonName = (value: string): Json => [{ oid: '2.5.4.3', value }];

/** As this dialect writes serial numbers. */
export const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber.replace(/^0+/, '');

/** A client of django-ca that asks the program; paths begin behind `/django_ca/api/`. */
export class DjangoClient {
  constructor(private readonly program: TestProgram) {}

  async signUp(username: string, ...roles: string[]): Promise<void> {
    const named = roles.map((name) => ({ name }));
    const body = { username, email: `${username}@example.com`, password, roles: named };
    await this.program.ok('POST', '/users', body);
  }

  async ask(method: string, path: string, body?: unknown, user = 'user', headers = {}): Promise<Answer> {
    const secret = user === 'admin' ? adminPassword : password;
    const response = await fetch(`${this.program.url}/django_ca/api/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  /** As `ask`, and expects 200; gives the body. */
  async ok(method: string, path: string, body?: unknown, user?: string): Promise<Json> {
    const answer = await this.ask(method, path, body, user);
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(200);
    return answer.body;
  }

  /** Signs, and reads the certificate of the order. */
  async signed(caSerial: string, body: object, user?: string): Promise<Json> {
    const order = await this.ok('POST', `ca/${caSerial}/sign/`, body, user);
    expect([order.status, order.detail]).toEqual(['issued', null]);
    return this.ok('GET', `ca/${caSerial}/certs/${order.serial}/`, undefined, user);
  }
}
