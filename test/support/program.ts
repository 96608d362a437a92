import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clock } from '../../src/platform/clock.js';
import { loadConfig } from '../../src/platform/config.js';
import { createLog } from '../../src/platform/log.js';
import { type Perennial, type Replacements, startPerennial } from '../../src/perennial.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import type { Json } from './json.js';

export const adminPassword = 'Correct-Horse-1!';

/** A clock that a test moves by hand; it runs on by itself in between. */
export class MovableClock extends Clock {
  private aheadMs = 0;
  private stoppedAt: Date | null = null;

  override now(): Date {
    return this.stoppedAt ?? new Date(Date.now() + this.aheadMs);
  }

  /** It stands still while `work` is done, so that answers do not differ by the time that passes. */
  async stopped<T>(work: () => Promise<T>): Promise<T> {
    this.stoppedAt = this.now();
    try {
      return await work();
    } finally {
      this.stoppedAt = null;
    }
  }

  advance(ms: number): void {
    this.aheadMs += ms;
  }
}

/** What came back: the status, the headers and the parsed body. */
export interface Answer {
  status: number;
  headers: Headers;
  body: Json;
}

/** The whole program in this process on a database of its own, listening on a free port. */
export interface TestProgram {
  readonly url: string;
  readonly clock: MovableClock;
  readonly database: TestDatabase;
  readonly dataDir: string;
  readonly perennial: Perennial;
  /** A request as admin; `path` begins behind /api/1. `token: null` sends none. */
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    options?: { token?: string | null; headers?: Record<string, string> },
  ) => Promise<Answer>;
  /** As `call`, and throws unless the answer is 2xx; gives its body. */
  readonly ok: (method: string, path: string, body?: unknown) => Promise<Json>;
  readonly login: (username: string, password: string) => Promise<string>;
  readonly stop: () => Promise<void>;
}

/** `env` overrides settings. Sweeps run every second. */
export async function startProgram(
  env: Record<string, string> = {},
  replacements: Omit<Replacements, 'clock'> = {},
): Promise<TestProgram> {
  return startProgramOn(await createTestDatabase(), new MovableClock(), env, replacements);
}

/** The same on a database that is there already; `stop` drops it. `env` has the password of its administrator. */
export async function startProgramOn(
  database: TestDatabase,
  clock: MovableClock,
  env: Record<string, string>,
  replacements: Omit<Replacements, 'clock'>,
): Promise<TestProgram> {
  const dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
  const config = loadConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    ADMIN_PASSWORD: adminPassword,
    SWEEP_INTERVAL_S: '1',
    LOG_LEVEL: 'silent',
    TOKEN_LIFETIME_MINUTES: '525600',
    ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    ...env,
  });
  const perennial = await startPerennial(config, { log: createLog(config.logLevel), ...replacements, clock });
  const caller = await signIn(perennial.url, config.adminPassword);
  const stop = async (): Promise<void> => {
    await perennial.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: perennial.url, clock, database, dataDir, perennial, ...caller, stop };
}

type Caller = Pick<TestProgram, 'call' | 'ok' | 'login'>;

/** Signs in as admin at a running program and gives the calls. */
export async function signIn(url: string, password = adminPassword): Promise<Caller> {
  const send = async (
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<Answer> => {
    const response = await fetch(`${url}/api/1${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json(;|$)/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const login = async (username: string, secret: string): Promise<string> => {
    const { status, body } = await send('POST', '/auth/login', { username, password: secret }, {});
    if (status !== 200) throw new Error(`Sign-in failed: ${JSON.stringify(body)}`);
    return body.token as string;
  };
  let admin = await login('admin', password);
  const call: Caller['call'] = async (method, path, body, { token, headers = {} } = {}) => {
    const sendAs = (who: string | null): Promise<Answer> =>
      send(method, path, body, { ...(who !== null && { authorization: `Bearer ${who}` }), ...headers });
    const answer = await sendAs(token === undefined ? admin : token);
    if (token !== undefined || answer.status !== 401) return answer;
    // A clock that was moved on by a year has ended the session.
    admin = await login('admin', password);
    return sendAs(admin);
  };
  const ok: Caller['ok'] = async (method, path, body) => {
    const answer = await call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return { call, ok, login };
}

/** Asks until `found` gives something; throws with the last answer after `timeoutMs`. */
export async function eventually<T>(ask: () => Promise<T | null | undefined | false>, timeoutMs = 90_000): Promise<T> {
  for (const end = Date.now() + timeoutMs; ;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error('It did not happen in time.');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
