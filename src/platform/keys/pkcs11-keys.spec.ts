import { createPublicKey, verify } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CaTools } from '../../../test/support/ca-tools.js';
import type { Signer } from '../../plugin-api/signer.js';
import { loadConfig } from '../config.js';
import { createLog } from '../log.js';
import { Pkcs11Keys } from './pkcs11-keys.js';
import { CkError, Pkcs11Module } from './pkcs11-module.js';
import { Pkcs11Token } from './pkcs11-token.js';

const path = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/local/lib/softhsm/libsofthsm2.so'].find((at) => existsSync(at));
if (path === undefined) throw new Error('SoftHSM is needed: apt-get install softhsm2 opensc');

const tools = new CaTools();
const pin = '2468';
let token: Pkcs11Token;
let keys: Pkcs11Keys;

beforeAll(async () => {
  mkdirSync(join(tools.folder, 'tokens'));
  const tokens = join(tools.folder, 'tokens');
  const conf = `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`;
  process.env['SOFTHSM2_CONF'] = join(tools.folder, tools.write('softhsm2.conf', conf));
  tools.run('softhsm2-util', '--init-token', '--free', '--label', 'ca', '--pin', pin, '--so-pin', '13579');
  calls = Reflect.get(await Pkcs11Module.load(path), 'calls');
});
beforeEach(() => {
  token = tokenWith(pin);
  keys = new Pkcs11Keys(token);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await token.onApplicationShutdown();
});
afterAll(() => tools.close());

type Call = (...args: unknown[]) => Promise<void>;
/** The functions of the module, as they are called. */
let calls: Record<'C_Finalize' | 'C_GetTokenInfo' | 'C_GetSlotList' | 'C_Login', Call>;

function tokenWith(itsPin: string): Pkcs11Token {
  const settings = { PKCS11_MODULE: path, PKCS11_TOKEN_LABEL: 'ca', PKCS11_PIN: itsPin };
  return new Pkcs11Token(loadConfig(settings), createLog('silent'));
}

const pkcs11Tool = (...args: string[]): string =>
  tools.run('pkcs11-tool', '--module', path, '--token-label', 'ca', '--login', '--pin', pin, ...args);
const idsInToken = (): string[] =>
  [...pkcs11Tool('--list-objects', '--type', 'privkey').matchAll(/ID: +([0-9a-f]+)/g)].map(([, id = '']) => id).sort();

async function signs(signer: Signer): Promise<boolean> {
  const data = Buffer.from('to be signed');
  const hash = signer.keyType === 'ed25519' ? null : 'sha256';
  const key = createPublicKey({ key: signer.spkiDer, format: 'der', type: 'spki' });
  return verify(hash, data, key, await signer.sign(hash, data));
}

/** The calls of this number end with an error after the module has done its work. */
function failing(method: 'generateKeyPair' | 'attribute', ...numbers: readonly number[]): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- It is applied to the module that is called.
  const real = Pkcs11Module.prototype[method] as (...args: unknown[]) => Promise<unknown>;
  let count = 0;
  vi.spyOn(Pkcs11Module.prototype, method as 'attribute').mockImplementation(async function (this: unknown, ...args) {
    const answer = await real.apply(this, args);
    count += 1;
    if (numbers.includes(count)) throw new CkError(0x30, method);
    return answer as Buffer;
  });
}

describe('a key in a token', () => {
  it.each([
    ['is lost as soon as the pair is made', 'generateKeyPair'],
    ['is lost when the new pair is read', 'attribute'],
  ] as const)('is the only one with its CKA_ID, and signs, when the connection %s', async (_, method) => {
    const before = idsInToken();
    failing(method, 1);
    const key = await keys.create('ECCPRIME256V1');
    const added = idsInToken().filter((id) => !before.includes(id));
    expect(added).toEqual([key.deviceId.toString('hex')]);
    expect(await signs(keys.signerFor(key))).toBe(true);
  });

  it('leaves nothing in the token when it cannot be made', async () => {
    const before = idsInToken();
    failing('generateKeyPair', 1, 2);
    await expect(keys.create('ECCPRIME256V1')).rejects.toMatchObject({ fault: 'unavailable' });
    expect(idsInToken()).toEqual(before);
  });

  it.each(['ECCPRIME256V1', 'RSA2048', 'ED25519'])(
    'of type %s signs nothing once the token holds another key under its CKA_ID',
    async (keyType) => {
      const key = await keys.create(keyType);
      const signer = keys.signerFor(key);
      expect(await signs(signer)).toBe(true);
      await keys.forget(key);
      const other = await keys.create(keyType);
      // The store remembers the first key; the token has the second one under that CKA_ID.
      const confused = keys.signerFor({ deviceId: other.deviceId, spkiDer: key.spkiDer });
      await expect(signs(confused)).rejects.toMatchObject({
        fault: 'misconfigured',
        detail: expect.stringContaining(other.deviceId.toString('hex')),
      });
      expect(await signs(keys.signerFor(other))).toBe(true);
    },
  );
});

describe('a private key that the token does not show', () => {
  it('is looked for once more after a new login', async () => {
    const signer = keys.signerFor(await keys.create('ECCPRIME256V1'));
    const login = vi.spyOn(Pkcs11Module.prototype, 'login');
    vi.spyOn(Pkcs11Module.prototype, 'findObjects').mockResolvedValueOnce([]);
    expect(await signs(signer)).toBe(true);
    expect(login).toHaveBeenCalledTimes(1);
  });

  it('is said to be missing when the new login does not show it either', async () => {
    const key = await keys.create('ECCPRIME256V1');
    await keys.forget(key);
    const detail = 'The PKCS#11 token does not hold the private key of this authority.';
    await expect(signs(keys.signerFor(key))).rejects.toMatchObject({ fault: 'unavailable', detail });
    expect(await signs(keys.signerFor(await keys.create('ECCPRIME256V1')))).toBe(true);
  });
});

describe('the token of the settings', () => {
  it('stays loaded when garbage is collected', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let round = 0; round < 3; round += 1) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(readFileSync('/proc/self/maps', 'utf8')).toContain('libsofthsm2.so');
    expect(await signs(keys.signerFor(await keys.create('ECCPRIME256V1')))).toBe(true);
  });

  it('is found beside slots that tell nothing', async () => {
    const { C_GetTokenInfo: tokenInfo, C_GetSlotList: slotList } = calls;
    let refused = 0;
    vi.spyOn(calls, 'C_GetTokenInfo').mockImplementation(async (slot, info) => {
      await tokenInfo(slot, info);
      if ((info as Buffer).toString('utf8', 0, 2) === 'ca') return;
      refused += 1;
      throw new CkError(0xe1, 'C_GetTokenInfo');
    });
    // The slot in which SoftHSM makes the next token comes last: here first.
    vi.spyOn(calls, 'C_GetSlotList').mockImplementation(async (present, slots, count) => {
      await slotList(present, slots, count);
      (slots as BigUint64Array).subarray(0, Number((count as [number])[0])).reverse();
    });
    expect(await signs(keys.signerFor(await keys.create('ECCPRIME256V1')))).toBe(true);
    expect(refused).toBe(1);
  });

  it('is given no PIN after a wrong one, until somebody has logged in by other means', async () => {
    const login = vi.spyOn(calls, 'C_Login');
    await expect(tokenWith('1111').onModuleInit()).rejects.toThrow(/refuses the PIN/);
    for (const itsPin of ['1111', pin])
      await expect(tokenWith(itsPin).onModuleInit()).rejects.toThrow(
        /A wrong PIN was given.*none is tried.*pkcs11-tool/,
      );
    await expect(keys.create('ECCPRIME256V1')).rejects.toMatchObject({ fault: 'misconfigured' });
    expect(login).toHaveBeenCalledTimes(1);
    idsInToken();
    await keys.create('ECCPRIME256V1');
    expect(login).toHaveBeenCalledTimes(2);
  });
});

/** A file that SoftHSM reads is a pipe for a while, so that SoftHSM waits for what comes out of it. */
class Pipe {
  private writing: number | null = null;

  constructor(private readonly file: string) {
    renameSync(file, `${file}.away`);
    tools.run('mkfifo', file);
  }

  /** Resolves when SoftHSM waits. The limit is not on a timer, whose time may not pass by itself. */
  async reached(): Promise<void> {
    const begun = performance.now();
    while ((this.writing ??= openIfRead(this.file)) === null) {
      if (performance.now() - begun > 90_000) throw new Error(`SoftHSM does not read ${this.file}.`);
      await sleep(5);
    }
  }

  /** The file is there again, and who waits for the pipe gets its content. */
  end(): void {
    const pipe = `${this.file}.pipe`;
    linkSync(this.file, pipe);
    renameSync(`${this.file}.away`, this.file);
    this.writing ??= openIfRead(pipe);
    rmSync(pipe);
    if (this.writing === null) return;
    writeSync(this.writing, readFileSync(this.file));
    closeSync(this.writing);
  }
}

/** A pipe that is open for writing, or null when nobody reads it. Opened as usual, it would block this process then. */
function openIfRead(pipe: string): number | null {
  try {
    return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return null;
    throw error;
  }
}

/** Time passes in the program, and a little outside, so that what waits for it goes on. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await vi.advanceTimersByTimeAsync(1000);
    await sleep(50);
  }
}

describe('a module that hangs', () => {
  const unavailable = (called: string): object => ({
    fault: 'unavailable',
    detail: expect.stringContaining(`${called} does not return`),
  });
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('lets the program start, refuses requests at once, and is used as soon as it returns', async () => {
    const pipe = new Pipe(join(tools.folder, 'softhsm2.conf'));
    try {
      const started = token.onModuleInit();
      await pipe.reached();
      await pass(31);
      await started;
      await expect(keys.create('ECCPRIME256V1')).rejects.toMatchObject(unavailable('C_Initialize'));
    } finally {
      pipe.end();
    }
    vi.useRealTimers();
    await vi.waitFor(() => expect(Pkcs11Module.overdue).toBeNull(), 90_000);
    expect(await signs(keys.signerFor(await keys.create('ECCPRIME256V1')))).toBe(true);
  });

  it('holds up no caller for ever, and is not finalized before its calls have returned', async () => {
    const signer = keys.signerFor(await keys.create('ECCPRIME256V1'));
    const [folder = ''] = readdirSync(join(tools.folder, 'tokens'));
    const finalize = vi.spyOn(calls, 'C_Finalize');
    const pipe = new Pipe(join(tools.folder, 'tokens', folder, 'generation'));
    try {
      const many = Promise.allSettled(Array.from({ length: 8 }, () => signs(signer)));
      await pipe.reached();
      await pass(61);
      const words = expect.stringMatching(/C_FindObjectsInit does not return|does not answer in time/);
      for (const asked of await many) expect(asked).toMatchObject({ reason: { fault: 'unavailable', detail: words } });
      await expect(signs(signer)).rejects.toMatchObject(unavailable('C_FindObjectsInit'));
      const stopped = token.onApplicationShutdown();
      await pass(6);
      await stopped;
      expect(finalize).not.toHaveBeenCalled();
    } finally {
      pipe.end();
    }
    vi.useRealTimers();
    await vi.waitFor(() => expect(finalize).toHaveBeenCalled(), 90_000);
    const next = new Pkcs11Keys(tokenWith(pin));
    expect(await signs(next.signerFor(await next.create('ECCPRIME256V1')))).toBe(true);
  });
});
