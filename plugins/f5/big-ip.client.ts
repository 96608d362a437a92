import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';

/** How a BIG-IP is reached, and in which partition its objects are. */
export interface BigIpAccess {
  url: string;
  username: string;
  password: string;
  loginProvider: string;
  partition: string;
  caCertificates?: string | undefined;
  timeoutS: number;
}

export type FileKind = 'ssl-cert' | 'ssl-key';

/** A file to install. The name has no partition; `isThere`: it replaces an object of that name. */
export interface NewFile {
  kind: FileKind;
  name: string;
  text: string;
  isThere: boolean;
}

/** One pair of a client-ssl profile, by full paths: `/Common/www.crt`. */
export type ProfilePair = z.output<typeof Pair>;

const Pair = z.object({
  name: z.string(),
  cert: z.string().optional(),
  key: z.string().optional(),
  chain: z.string().optional(),
});
const Profile = z.object({ certKeyChain: z.array(Pair).default([]) });
const SignedIn = z.object({ token: z.object({ token: z.string().min(1), timeout: z.number() }) });
const StoredFile = z.object({ checksum: z.string().default('') });
const Begun = z.object({ transId: z.union([z.number(), z.string()]) });
const Ended = z.object({ state: z.string(), failureReason: z.string().optional() });
const ErrorBody = z.object({ message: z.string() });

const uploads = '/var/config/rest/downloads';
const tokens = new TokenCache(401);

/** Certificates, keys and profiles of one BIG-IP (iControl REST). Every method throws PluginError. */
export class BigIp {
  constructor(
    private readonly access: BigIpAccess,
    private readonly ctx: PluginContext,
  ) {
    ctx.signal.throwIfAborted();
  }

  /** Whether there is such an object, and whether it is this text; null: there is none. */
  async compare(kind: FileKind, name: string, text: string): Promise<'same' | 'different' | null> {
    const file = await unlessMissing(this.json(StoredFile, { path: this.pathOf(`sys/file/${kind}`, name) }));
    if (file === null) return null;
    // `SHA1:1704:306008e9…`: algorithm, size and digest of the file.
    const digest = createHash('sha1').update(text).digest('hex');
    return file.checksum.toLowerCase().endsWith(`:${digest}`) ? 'same' : 'different';
  }

  /** The pairs of a profile; null when there is no such profile. */
  async pairsOf(profile: string): Promise<ProfilePair[] | null> {
    const found = await unlessMissing(this.json(Profile, { path: this.pathOf('ltm/profile/client-ssl', profile) }));
    return found?.certKeyChain ?? null;
  }

  /**
   * Installs the files and sets the pairs of profiles in one transaction: all or nothing, so that no profile ever has a
   * certificate with the key of another one. The uploaded files stay, the key among them: call `clear`.
   */
  async install(files: readonly NewFile[], profiles: ReadonlyMap<string, readonly ProfilePair[]>): Promise<void> {
    for (const { name, text } of files) await this.upload(uploadOf(name, this.access), Buffer.from(text));
    await this.transaction([
      ...files.map((file) => this.installCall(file)),
      ...[...profiles].map(([profile, certKeyChain]) => ({
        method: 'PATCH',
        path: this.pathOf('ltm/profile/client-ssl', profile),
        json: { certKeyChain },
      })),
    ]);
  }

  /** Deletes the uploaded files with these names, whether they are there or not. */
  async clear(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const utilCmdArgs = `${uploads}/${uploadOf(name, this.access)}`;
      await this.send({ path: '/mgmt/tm/util/unix-rm', json: { command: 'run', utilCmdArgs } });
    }
  }

  /** Deletes these objects in one transaction. `misconfigured` while a profile uses them. */
  async delete(files: readonly { kind: FileKind; name: string }[]): Promise<void> {
    try {
      await this.transaction(
        files.map(({ kind, name }) => ({ method: 'DELETE', path: this.pathOf(`sys/file/${kind}`, name) })),
      );
    } catch (error) {
      if (!(error instanceof PluginError) || !/in use|referenced/i.test(error.detail)) throw error;
      throw new PluginError('misconfigured', error.detail);
    }
  }

  /** Writes the running configuration to disk: without it, a restart brings the predecessor back. */
  async save(): Promise<void> {
    await this.send({ path: '/mgmt/tm/sys/config', json: { command: 'save' } });
  }

  /** Copies the configuration to the other members of a device group. */
  async synchronize(deviceGroup: string): Promise<void> {
    const json = { command: 'run', utilCmdArgs: `config-sync to-group ${deviceGroup}` };
    await this.send({ path: '/mgmt/tm/cm', json });
  }

  /** `/Common/www.crt` */
  fullPath(name: string): string {
    return name.startsWith('/') ? name : `/${this.access.partition}/${name}`;
  }

  private installCall({ kind, name, isThere }: NewFile): JsonCall {
    const sourcePath = `file:${uploads}/${uploadOf(name, this.access)}`;
    return isThere
      ? { method: 'PATCH', path: this.pathOf(`sys/file/${kind}`, name), json: { sourcePath } }
      : {
          method: 'POST',
          path: `/mgmt/tm/sys/file/${kind}`,
          json: { name, partition: this.access.partition, sourcePath },
        };
  }

  private async upload(file: string, bytes: Buffer): Promise<void> {
    await this.send({
      path: `/mgmt/shared/file-transfer/uploads/${file}`,
      headers: { 'content-range': `0-${bytes.length - 1}/${bytes.length}` },
      raw: { type: 'application/octet-stream', bytes },
    });
  }

  private async transaction(calls: readonly JsonCall[]): Promise<void> {
    const { transId } = await this.json(Begun, { path: '/mgmt/tm/transaction', json: {} });
    const path = `/mgmt/tm/transaction/${transId}`;
    try {
      for (const call of calls) await this.send({ ...call, headers: { 'x-f5-rest-coordination-id': String(transId) } });
      const ended = await this.json(Ended, { method: 'PATCH', path, json: { state: 'VALIDATING' } });
      if (ended.state !== 'COMPLETED')
        throw new PluginError('refused', `BIG-IP does not take the change: ${ended.failureReason ?? ended.state}.`);
    } catch (error) {
      // BIG-IP forgets an open transaction after two minutes; until then it would count against the limit.
      await this.send({ method: 'DELETE', path }).catch(() => undefined);
      throw error;
    }
  }

  private json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    return this.authorized((client) => client.json(shape, call));
  }

  private async send(call: JsonCall): Promise<void> {
    await this.authorized((client) => client.send(call));
  }

  private authorized<T>(work: (client: JsonClient) => Promise<T>): Promise<T> {
    const { url, username, password, loginProvider } = this.access;
    return tokens.use({
      key: createHash('sha256').update([url, loginProvider, username, password].join('\0')).digest('hex'),
      now: this.ctx.now(),
      signIn: () => this.signIn(),
      work: (token) => work(this.client({ 'x-f5-auth-token': token })),
    });
  }

  private async signIn(): Promise<Token> {
    const { username, password, loginProvider: loginProviderName } = this.access;
    const call = { path: '/mgmt/shared/authn/login', json: { username, password, loginProviderName } };
    const { token } = await this.client({}).json(SignedIn, call);
    return { value: token.token, expiresAt: new Date(this.ctx.now().getTime() + token.timeout * 1000) };
  }

  private client(headers: Record<string, string>): JsonClient {
    return new JsonClient(this.ctx.site, {
      name: 'BIG-IP',
      baseUrl: this.access.url,
      headers,
      connection: connectionOf(this.access),
      secrets: [this.access.password],
      wordsOf: (body) => ErrorBody.safeParse(body).data?.message,
    });
  }

  private pathOf(collection: string, name: string): string {
    return `/mgmt/tm/${collection}/${encodeURIComponent(this.fullPath(name).replaceAll('/', '~'))}`;
  }
}

/** The same at each attempt, so that the next one replaces and deletes what an interrupted one has left. */
function uploadOf(name: string, { partition }: BigIpAccess): string {
  return `perennial-${partition}-${name}`;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HttpFailure && error.answer.status === 404) return null;
    throw error;
  }
}
