import { asMisconfigured, PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type DogtagOptions, forPeople, signInOf } from './dogtag.options.js';
import { objectOf, parseExactly, textOf, type Wire } from './wire.js';

/** The role of those who decide about requests. */
export const agents = 'Certificate Manager Agents';
const mostBytes = 4 * 1_048_576;
/** The roots of the REST interface: of Dogtag 11.6 and later, and of 10 to 11.5. The newer is tried first. */
const roots = ['v2', 'rest'] as const;

interface Call {
  method?: 'GET' | 'POST';
  query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
}

/** An answer of the CA, whatever its status. */
export class Reply {
  constructor(private readonly response: FetchResponse) {}

  get status(): number {
    return this.response.status;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** True for an answer of the CA itself; pages in HTML are those of its Tomcat. */
  get isOfCa(): boolean {
    return (this.response.headers['content-type'] ?? '').startsWith('application/json');
  }

  /** Throws PluginError `unavailable` when there is none. */
  get wire(): Wire {
    return parseExactly(this.response.body.toString());
  }

  get body(): Buffer {
    return this.response.body;
  }

  get retryAfterS(): number | undefined {
    const seconds = Number(this.response.headers['retry-after']);
    return Number.isInteger(seconds) && seconds > 0 ? seconds : undefined;
  }

  /** What the CA says of a failure; empty when it says nothing. */
  get message(): string {
    return this.isOfCa ? (textOf(this.wire, 'Message') ?? '') : '';
  }
}

/**
 * A session at the CA, for one call of a verb. Its cookie opens the profiles, and holds the nonces: what was reviewed
 * in one session can be decided only there.
 */
export class DogtagSession {
  private cookie: string | undefined;
  private root: (typeof roots)[number] = roots[0];
  private readonly base: string;
  private readonly signIn: ReturnType<typeof signInOf>;
  /** Of the account with which the program signed in. */
  private roles: readonly string[] = [];

  private constructor(
    readonly options: DogtagOptions,
    readonly ctx: PluginContext,
  ) {
    this.base = `${options.url.replace(/\/+$/, '').replace(/\/ca$/, '')}/ca`;
    this.signIn = signInOf(options);
  }

  /** Signs in, does `work` and signs out. Throws PluginError. */
  static async in<T>(
    options: DogtagOptions,
    ctx: PluginContext,
    work: (session: DogtagSession) => Promise<T>,
  ): Promise<T> {
    const session = await DogtagSession.open(options, ctx);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  /** Whoever opens it closes it. */
  static async open(options: DogtagOptions, ctx: PluginContext): Promise<DogtagSession> {
    ctx.signal.throwIfAborted();
    const session = new DogtagSession(options, ctx);
    await session.login();
    return session;
  }

  /** Whether the account sees and decides the requests of all. */
  get isAgent(): boolean {
    return this.roles.includes(agents);
  }

  /** Whether a list of requests begins at an id, and not after a number of requests. */
  get startsAtId(): boolean {
    return this.root === 'rest';
  }

  /** An answer of any status. Throws PluginError when there is none. */
  async ask(path: string, { method = 'GET', query = {}, body }: Call = {}): Promise<Reply> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
    return this.send(`${this.root}/${path}${search.size > 0 ? `?${search.toString()}` : ''}`, {
      method,
      accept: 'application/json',
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  /** As `ask`; throws PluginError for a failure, as `failure` says. */
  async get(path: string, call: Call = {}): Promise<Wire> {
    const reply = await this.ask(path, call);
    if (!reply.ok) throw await this.failure(reply);
    return reply.wire;
  }

  /** A file, which has no JSON. Throws as `get`. */
  async download(path: string, accept: string): Promise<Buffer> {
    const reply = await this.send(`${this.root}/${path}`, { method: 'GET', accept });
    if (!reply.ok) throw await this.failure(reply);
    return reply.body;
  }

  /**
   * The error for an answer that is a failure. While its directory server is down, the CA does not know its own agents
   * and requests: so 401, 403 and 404 count only when it can search at the same moment.
   */
  async failure(reply: Reply): Promise<PluginError> {
    const { status, isOfCa } = reply;
    const said = forPeople(reply.message, this.options);
    const words = said === '' ? `status ${status}` : said;
    if (status >= 500 || (status === 404 && !isOfCa) || [408, 425, 429].includes(status))
      return new PluginError('unavailable', `The CA cannot answer at present: ${words}.`, reply.retryAfterS);
    if ([401, 403, 404].includes(status) && !(await this.isWell())) return withoutDirectory();
    if (status === 401) return new PluginError('misconfigured', `The CA does not accept the credentials: ${words}.`);
    if (status === 403) return new PluginError('misconfigured', `The account lacks a right at the CA: ${words}.`);
    if (status === 409 || status === 410 || status === 404)
      return new PluginError('misconfigured', `The CA cannot do this: ${words}.`);
    return new PluginError('refused', `The CA refuses this: ${words}.`);
  }

  /** Returns when the answer says that there is no such thing; throws PluginError for any other failure. */
  async demandMissing(reply: Reply): Promise<void> {
    if (reply.status !== 404 || !reply.isOfCa) throw await this.failure(reply);
    if (!(await this.isWell())) throw withoutDirectory();
  }

  /** Whether the CA reaches its directory server. */
  async isWell(): Promise<boolean> {
    const search = await this.ask('certs/search', { method: 'POST', query: { size: 1 }, body: {} });
    return search.ok;
  }

  private async login(): Promise<void> {
    for (const root of roots) {
      this.root = root;
      const reply = await this.ask('account/login');
      if (reply.status === 404 && root !== roots.at(-1)) continue;
      if (!reply.ok) asMisconfigured(await this.failure(reply));
      // Dogtag 11 lists them without the members that XML needs.
      const roles: unknown = objectOf(reply.wire, 'Roles')?.Role ?? reply.wire.roles;
      this.roles = Array.isArray(roles) ? roles.map(String) : [];
      return;
    }
  }

  /** The CA forgets a session after half an hour anyway. */
  async close(): Promise<void> {
    try {
      await this.ask('account/logout');
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      this.ctx.log('The session at the CA could not be closed.', { detail: error.detail });
    }
  }

  private async send(
    path: string,
    { method, accept, body }: { method: string; accept: string; body?: string },
  ): Promise<Reply> {
    const { headers, ...tls } = this.signIn;
    try {
      const response = await this.ctx.site.fetch(`${this.base}/${path}`, {
        ...tls,
        method,
        headers: {
          ...headers,
          Accept: accept,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
          ...(this.cookie !== undefined && { Cookie: this.cookie }),
        },
        ...(body !== undefined && { body }),
        maxBytes: mostBytes,
      });
      // A CA that was restarted has forgotten the session, and begins another.
      const [, cookie] = /(JSESSIONID=[^;]+)/.exec((response.headers['set-cookie'] ?? []).join(';')) ?? [];
      if (cookie !== undefined) this.cookie = cookie;
      return new Reply(response);
    } catch (error) {
      throw explained(error);
    }
  }
}

function withoutDirectory(): PluginError {
  return new PluginError('unavailable', 'The CA cannot reach its directory server at present.');
}

/** What can be done about a connection that TLS refused: it is in vain to try again. */
function explained(error: unknown): unknown {
  if (!(error instanceof PluginError) || error.fault !== 'unavailable') return error;
  const { code = '' } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (/ALERT/.test(code))
    return new PluginError('misconfigured', 'The CA refuses the client certificate, or none was given.', undefined, {
      cause: error,
    });
  if (/SELF_SIGNED|UNABLE_TO|CERT_|ALTNAME/.test(code))
    return new PluginError(
      'misconfigured',
      `The TLS certificate of the CA is not trusted (${code}): its issuer belongs into the option caCertificates.`,
      undefined,
      { cause: error },
    );
  return error;
}
