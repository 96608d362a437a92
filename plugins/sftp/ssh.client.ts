import type { Client, ClientChannel, ConnectConfig } from 'ssh2';
import { PluginError } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { algorithmsFor, fingerprintOf, isKnownKey, type SshAddress } from './host-keys.js';
import type { SftpOptions } from './sftp.options.js';

/** A server, and the keys by which it is recognised. */
interface SshServer extends SshAddress {
  hostKeys: string;
}

/** What the library adds to its errors. `level` says which part of it failed. */
type SshError = Error & { level?: string; code?: unknown };

/** Throws PluginError `misconfigured` for a sign-in that cannot work. Asks no server. */
export async function demandUsable(o: SftpOptions): Promise<void> {
  if (o.password === undefined && o.privateKey === undefined)
    throw new PluginError('misconfigured', 'Give a password, a private key, or both.');
  if ((o.jumpHost === undefined) !== (o.jumpHostKeys === undefined))
    throw new PluginError('misconfigured', 'Give both the jump host and its host keys, or neither.');
  if (o.privateKey === undefined) return;
  const { utils } = (await import('ssh2')).default;
  const key = utils.parseKey(o.privateKey, o.passphrase);
  if (key instanceof Error)
    throw new PluginError('misconfigured', 'The private key cannot be read, or its passphrase is wrong or missing.');
}

/**
 * Runs `work` with a connection to the server of the options. Throws PluginError, also when the connection breaks
 * meanwhile, or `work` takes longer than the timeout.
 */
export async function withSsh<T>(o: SftpOptions, ctx: PluginContext, work: (client: Client) => Promise<T>): Promise<T> {
  await demandUsable(o);
  const timeout = AbortSignal.timeout(o.timeoutS * 1000);
  const signal = AbortSignal.any([ctx.signal, timeout]);
  const { jumpHost, jumpHostKeys = '' } = o;
  const run = async (): Promise<T> => {
    if (jumpHost === undefined) return connected({ ...o }, o, { ctx, signal }, work);
    const jump = { host: jumpHost, port: o.jumpPort, hostKeys: jumpHostKeys };
    return connected(jump, o, { ctx, signal }, async (client) => {
      const through = await callback<ClientChannel>((done) => client.forwardOut('127.0.0.1', 0, o.host, o.port, done));
      return connected({ ...o }, o, { ctx, signal, through }, work);
    });
  };
  try {
    return await run();
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (error instanceof PluginError) throw error;
    if (timeout.aborted) throw new PluginError('unavailable', `${addressOf(o)} did not answer in time.`);
    throw failureOf(error as SshError, o);
  }
}

/**
 * Runs a command by the account's shell. Its input stays open: an account that is confined to SFTP gets the SFTP server
 * in place of the command, which would end well at the end of its input. Throws PluginError unless it ends with status
 * 0.
 */
export async function runCommand(client: Client, command: string, o: SftpOptions): Promise<void> {
  const channel = await callback<ClientChannel>((done) => client.exec(command, done)).catch(() => {
    throw new PluginError('misconfigured', `${addressOf(o)} does not let ${o.user} run commands.`);
  });
  let words = '';
  const keep = (chunk: Buffer): void => {
    if (words.length < 10_000) words += chunk.toString('utf8');
  };
  channel.on('data', () => undefined);
  channel.stderr.on('data', keep);
  const ending = await new Promise<number | string>((resolve) => {
    channel.on('exit', (code: number | null, signalName?: string) => resolve(code ?? signalName ?? 'a signal'));
    channel.on('close', () => resolve('the end of the connection'));
  });
  if (ending === 0) return;
  const how = typeof ending === 'number' ? `with status ${ending}` : `by ${ending}`;
  const said = quotable(words, secretsOf(o));
  throw new PluginError('unavailable', `The command on ${addressOf(o)} ended ${how}${said ? `: ${said}` : '.'}`);
}

/** As a promise, what the library tells a function. */
export function callback<T>(
  start: (done: (error: Error | null | undefined, value?: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)));
  });
}

/** In the usual notation: `web1.example.com:22`, `[2001:db8::1]:22`. */
export function addressOf({ host, port }: SshAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

interface Way {
  ctx: PluginContext;
  signal: AbortSignal;
  /** In place of a connection from here. */
  through?: ClientChannel;
}

async function connected<T>(
  server: SshServer,
  o: SftpOptions,
  { ctx, signal, through }: Way,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const ssh2 = (await import('ssh2')).default;
  const sock = through ?? (await ctx.site.connect(server.host, server.port, signal));
  const client = new ssh2.Client();
  let refused: PluginError | undefined;
  const broken = new Promise<never>((_, reject) => {
    client.on('error', (error) => reject(refused ?? error));
    client.on('close', () => reject(refused ?? new Error('the connection was closed')));
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    sock.on('error', reject);
  });
  // It may break after nobody waits for it any more.
  broken.catch(() => undefined);
  const ready = new Promise<void>((resolve) => void client.once('ready', resolve));
  client.on('keyboard-interactive', (_name, _words, _language, prompts, answer) => {
    const asksPassword = prompts.length === 1 && prompts[0]?.echo !== true;
    answer(asksPassword && o.password !== undefined ? [o.password] : []);
  });
  try {
    client.connect({
      ...signInOf(o),
      sock,
      readyTimeout: 0,
      algorithms: { serverHostKey: algorithmsFor(server.hostKeys, server) as never },
      hostVerifier: (key: Buffer) => {
        const isKnown = isKnownKey(server.hostKeys, server, key);
        if (!isKnown) refused = unknownKey(server, key);
        return isKnown;
      },
    });
    await Promise.race([ready, broken]);
    return await Promise.race([work(client), broken]);
  } finally {
    client.destroy();
    sock.destroy();
  }
}

function signInOf({ user, password, privateKey, passphrase }: SftpOptions): ConnectConfig {
  return {
    username: user,
    ...(password !== undefined && { password, tryKeyboard: true }),
    ...(privateKey !== undefined && { privateKey }),
    ...(passphrase !== undefined && { passphrase }),
  };
}

function unknownKey(server: SshServer, key: Buffer): PluginError {
  return new PluginError(
    'misconfigured',
    `${addressOf(server)} shows the host key ${fingerprintOf(key)}, which is not among the host keys of the options. ` +
      'Unless the key was changed on purpose, somebody else answers there.',
  );
}

function failureOf(error: SshError, o: SftpOptions): PluginError {
  if (error.level === 'client-authentication')
    return new PluginError('misconfigured', `${addressOf(o)} does not accept the user ${o.user} with this sign-in.`);
  const words = quotable(String(error.message), secretsOf(o));
  if (/no matching/i.test(words))
    return new PluginError('misconfigured', `${addressOf(o)} and this program have no algorithm in common: ${words}.`);
  return new PluginError('unavailable', `${addressOf(o)} does not answer as an SSH server should: ${words}.`);
}

function secretsOf({ password = '', privateKey = '', passphrase = '' }: SftpOptions): string[] {
  return [password, privateKey, passphrase];
}
