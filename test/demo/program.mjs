import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { Unexpected, until } from './expect.mjs';

const root = new URL('../..', import.meta.url).pathname;
const passedOn = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'];
const keptLines = 12;
const stopMs = 30_000;

/** The program under demonstration, on `dataDir` and its embedded database. `settings` are environment variables. */
export class Program {
  #dataDir;
  #settings;
  #child = null;
  #token = null;
  #password = `Aa1!${randomBytes(12).toString('base64url')}`;
  #marks;
  /** The last lines that it has written. */
  log = [];

  constructor(dataDir, settings) {
    this.#dataDir = dataDir;
    this.#settings = settings;
    this.#marks = [dataDir];
  }

  /** Starts it and waits until it listens. Throws Unexpected when it ends instead. */
  async start() {
    // The same port at every start, so that links in mails stay right.
    this.#settings.PORT ??= String(await freePort());
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.includes(name)));
    const env = {
      ...inherited,
      DATA_DIR: this.#dataDir,
      ADMIN_PASSWORD: this.#password,
      SWEEP_INTERVAL_S: '1',
      ...this.#settings,
    };
    // A group of its own: Ctrl-C reaches the demo alone, which then ends the program in order.
    const child = spawn(process.execPath, ['dist/src/main.js'], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    const url = await this.#listening(child);
    if (url === null)
      throw new Unexpected(
        'The program ended at its start.',
        'an address',
        `exit code ${child.exitCode ?? child.signalCode}`,
      );
    this.url = url;
    this.#marks.push(...this.#remaining().flatMap(({ command }) => / cluster_name=(\S+)/.exec(command)?.[1] ?? []));
  }

  #listening(child) {
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve(null));
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          this.log.push(line);
          if (this.log.length > keptLines) this.log.shift();
          const url = /^API +(\S+)$/.exec(line)?.[1];
          if (url) resolve(url);
        });
      }
    });
  }

  /** Sends SIGINT and gives the exit code, or the signal that ended it. */
  async stop() {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? child?.signalCode ?? 0;
    const closed = once(child, 'close');
    child.kill('SIGINT');
    const escalation = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await closed;
    clearTimeout(escalation);
    return child.exitCode ?? child.signalCode;
  }

  /**
   * Living processes that belong to it: number and command line. Those of PostgreSQL carry the data folder or the
   * cluster's name.
   */
  remains() {
    return this.#remaining().map(({ pid, command }) => `${pid} ${command}`);
  }

  /** Ends it if need be; nothing of it runs afterwards. */
  async end() {
    await this.stop();
    const gone = () => this.#remaining().length === 0;
    await until('PostgreSQL ends with the program', gone, { timeoutMs: 10_000 }).catch(() => undefined);
    for (const { pid } of this.#remaining()) kill(pid);
    await until('nothing is left', gone, { timeoutMs: 10_000, describe: () => this.remains().join('\n') });
  }

  #remaining() {
    return processes().filter(({ command }) => this.#marks.some((mark) => command.includes(mark)));
  }

  /** Signs in as admin; gives the answer. */
  async signIn() {
    const answer = await this.call('POST', '/auth/login', { username: 'admin', password: this.#password });
    this.#token = answer.token;
    return answer;
  }

  get = (path) => this.call('GET', path);
  post = (path, body) => this.call('POST', path, body);
  put = (path, body) => this.call('PUT', path, body);

  /** The body of the answer. Throws Unexpected unless its status is 2xx. */
  async call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(this.#token && { authorization: `Bearer ${this.#token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Unexpected(`${method} ${path}`, 'status 2xx', `${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A TCP port of the loopback interface that nobody uses. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Pid and command line of every living process. */
function processes() {
  if (process.platform === 'linux')
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap(processOf);
  return execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .filter(Boolean)
    .map(([, pid, command]) => ({ pid: Number(pid), command }));
}

function processOf(name) {
  try {
    const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return command === '' ? [] : [{ pid: Number(name), command }];
  } catch {
    return [];
  }
}
