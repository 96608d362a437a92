import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChildPlugin, compilePlugin } from '../support/child-plugin.js';
import { type ChildEnv, type ProgramChild, startChild } from '../support/child.js';
import { freePort, ownFolder } from '../support/own-server.js';
import { adminPassword, type Answer, signIn } from '../support/program.js';
import { startTestRedis, type TestRedis } from '../support/redis.js';
import { DatabaseServer } from './database-server.js';
import { MovedTime } from './moved-time.js';
import { Remote } from './remote.js';

const roles = ['api', 'worker', 'worker'] as const;
/** How often a process may fail to start before this counts as a fault of the program: its database may be down. */
const mostStarts = 60;

/** One process of the program. It is started again after each kill. */
export class Slot {
  private child: ProgramChild | undefined;
  private killing = false;
  private stopped = false;
  url = '';
  /** Real times. */
  readonly killedAtMs: number[] = [];
  /** The last words of processes that ended although nobody killed them. */
  readonly deaths: string[] = [];

  constructor(
    private readonly env: ChildEnv,
    readonly mailPort: number,
  ) {}

  async start(): Promise<void> {
    for (let tries = 1; !this.stopped; tries += 1) {
      try {
        const child = await startChild(this.env);
        this.child = child;
        this.url = child.url;
        void child.ended.then(({ status, signal }) => {
          if (this.killing || this.stopped) return;
          this.deaths.push(`status ${status ?? signal ?? ''}: ${child.stderr().slice(-2_000)}`);
          void this.start();
        });
        return;
      } catch (error) {
        if (tries === mostStarts) throw error;
        await sleep(500);
      }
    }
  }

  async kill(): Promise<void> {
    this.killing = true;
    this.killedAtMs.push(Date.now());
    await this.child?.kill();
    this.killing = false;
  }

  /** For good, as an operator stops it. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.child?.kill();
  }
}

/** The program in three processes, and everything around it: each part is a process that can fail on its own. */
export class Stage {
  readonly mailFile: string;
  readonly deployed: string;
  private token: ReturnType<typeof signIn> | null = null;
  private tokenOf = '';

  private constructor(
    readonly folder: string,
    readonly time: MovedTime,
    readonly database: DatabaseServer,
    readonly redis: TestRedis,
    readonly mail: Remote,
    readonly vaults: readonly Remote[],
    readonly ca: Remote,
    private readonly rest: { plugin: ChildPlugin; env: ChildEnv; slots: readonly Slot[] },
  ) {
    this.mailFile = join(folder, 'mails');
    this.deployed = join(folder, 'deployed');
  }

  /** `seed`: of what the CA does in trouble. */
  static async open(seed: number): Promise<Stage> {
    const folder = await ownFolder('chaos');
    const time = new MovedTime(join(folder, 'time'));
    await mkdir(join(folder, 'postgres'));
    await mkdir(join(folder, 'data'));
    const ports = await Promise.all(roles.map(() => freePort()));
    const [database, redis, mail, ca, plugin, ...vaults] = await Promise.all([
      DatabaseServer.start(join(folder, 'postgres'), time.exactEnv),
      startTestRedis(),
      Remote.start('mail', [join(folder, 'mails'), ...ports.map(String)]),
      Remote.start('ca', [String(seed)]),
      compilePlugin('scripted-ca.issuer', 'childIssuer'),
      Remote.start('vault'),
      Remote.start('vault'),
    ]);
    const env = {
      ...time.env,
      ...plugin.env,
      SCRIPTED_CA_URL: await ca.call<string>('url'),
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      DATA_DIR: join(folder, 'data'),
      ADMIN_PASSWORD: adminPassword,
      ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
      TOKEN_LIFETIME_MINUTES: '525600',
      ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
      MAIL_FROM: 'perennial@pki.example.org',
      NOTICE_DAYS: '5,2',
    };
    const slots = roles.map((role, at) => {
      const mailPort = ports[at] ?? 0;
      return new Slot({ ...env, PERENNIAL_ROLE: role, SMTP_URL: `smtp://127.0.0.1:${mailPort}` }, mailPort);
    });
    const stage = new Stage(folder, time, database, redis, mail, vaults, ca, { plugin, env, slots });
    // The first one makes the tables.
    for (const slot of slots) await slot.start();
    return stage;
  }

  get slots(): readonly Slot[] {
    return this.rest.slots;
  }

  /** The settings of the program, for its command line. */
  get env(): ChildEnv {
    return this.rest.env;
  }

  /** A request as admin; null when it is not answered, as while a process or its database is down. */
  async call(method: string, path: string, body?: unknown, key?: string): Promise<Answer | null> {
    const [{ url } = { url: '' }] = this.slots;
    try {
      if (this.token === null || this.tokenOf !== url) {
        this.tokenOf = url;
        this.token = signIn(url);
      }
      const { call } = await this.token;
      const answer = await call(method, path, body, { headers: { ...(key && { 'idempotency-key': key }) } });
      return answer.status >= 500 || answer.status === 401 ? null : answer;
    } catch {
      this.token = null;
      return null;
    }
  }

  /** As `call`, again until it is answered. Throws when the answer is a refusal. */
  async ask(method: string, path: string, body?: unknown, key?: string): Promise<Answer['body']> {
    for (const end = performance.now() + 180_000; performance.now() < end; await sleep(300)) {
      const answer = await this.call(method, path, body, key);
      if (answer === null) continue;
      if (answer.status < 300) return answer.body;
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    throw new Error(`${method} ${path} is not answered.`);
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.stop()));
    const remotes = [this.mail, this.ca, ...this.vaults];
    remotes.forEach((remote) => remote.thaw());
    await Promise.all([...remotes.map((remote) => remote.kill()), this.database.crash(), this.redis.remove()]);
    await this.rest.plugin.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}
