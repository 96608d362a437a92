import type * as Koffi from 'koffi';

/** Values of PKCS#11 2.40 (pkcs11t.h) that are used here. */
export const Ck = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
  publicKey: 2,
  privateKey: 3,
  rsaGenerate: 0x0,
  rsaPkcs: 0x1,
  ecGenerate: 0x1040,
  ecdsa: 0x1041,
  edGenerate: 0x1055,
  eddsa: 0x1057,
} as const;

const NAMES: Readonly<Record<number, string>> = {
  0x3: 'CKR_SLOT_ID_INVALID',
  0x5: 'CKR_GENERAL_ERROR',
  0x6: 'CKR_FUNCTION_FAILED',
  0x30: 'CKR_DEVICE_ERROR',
  0x32: 'CKR_DEVICE_REMOVED',
  0x60: 'CKR_KEY_HANDLE_INVALID',
  0x70: 'CKR_MECHANISM_INVALID',
  0x82: 'CKR_OBJECT_HANDLE_INVALID',
  0xa0: 'CKR_PIN_INCORRECT',
  0xa3: 'CKR_PIN_EXPIRED',
  0xa4: 'CKR_PIN_LOCKED',
  0xb0: 'CKR_SESSION_CLOSED',
  0xb3: 'CKR_SESSION_HANDLE_INVALID',
  0xe0: 'CKR_TOKEN_NOT_PRESENT',
  0xe1: 'CKR_TOKEN_NOT_RECOGNIZED',
  0x101: 'CKR_USER_NOT_LOGGED_IN',
};
const ALREADY_INITIALIZED = 0x191;
const USER_ALREADY_LOGGED_IN = 0x100;
const OS_LOCKING = 2;
const SERIAL_AND_WRITE = 6;
const USER = 1;
/** Where CK_TOKEN_INFO has its flags: behind label, maker, model and serial number. */
const FLAGS_AT = 96;
/** CKF_USER_PIN_COUNT_LOW and CKF_USER_PIN_FINAL_TRY. */
const PIN_FAILED = 0x30000n;

/** What a module answers to whoever is not logged in; it shows him no private object. */
export const USER_NOT_LOGGED_IN = 0x101;

/** A function of the module answered with something else than CKR_OK. */
export class CkError extends Error {
  constructor(
    readonly code: number,
    called: string,
  ) {
    super(`${NAMES[code] ?? `0x${code.toString(16)}`} by ${called}`);
  }
}

/** A function of the module does not return. It keeps its thread, so nothing else is called until it does. */
export class OverdueError extends Error {
  constructor(called: string) {
    super(`${called} does not return`);
  }
}

/** How long a function may take. Large RSA keys take minutes in small devices. */
const callMs = 30_000;
const generationMs = 300_000;

export interface Slot {
  id: number;
  /** Whether a wrong PIN was given since the last right one. */
  isPinAtRisk: boolean;
}

/** One member of a template. Numbers are CK_ULONG. */
export type Attribute = readonly [type: number, value: Buffer | boolean | number];
type Raw = { type: number; pValue: Buffer | null; ulValueLen: number };
type Call = (...args: unknown[]) => Promise<void>;

/** Name, place in CK_FUNCTION_LIST, and parameters of the functions that are used here. */
const FUNCTIONS = {
  C_Initialize: [0, 'CK_INIT *args'],
  C_Finalize: [1, 'void *reserved'],
  C_GetSlotList: [4, 'uint8 present, _Out_ unsigned long *slots, _Inout_ unsigned long *count'],
  C_GetTokenInfo: [6, 'unsigned long slot, void *info'],
  C_OpenSession: [12, 'unsigned long slot, unsigned long flags, void *app, void *notify, _Out_ unsigned long *session'],
  C_Login: [18, 'unsigned long session, unsigned long type, const void *pin, unsigned long length'],
  C_DestroyObject: [22, 'unsigned long session, unsigned long object'],
  C_GetAttributeValue: [24, 'unsigned long session, unsigned long object, _Inout_ CK_ATTR *list, unsigned long count'],
  C_FindObjectsInit: [26, 'unsigned long session, CK_ATTR *list, unsigned long count'],
  C_FindObjects: [27, 'unsigned long session, _Out_ unsigned long *found, unsigned long most, _Out_ unsigned long *n'],
  C_FindObjectsFinal: [28, 'unsigned long session'],
  C_SignInit: [42, 'unsigned long session, CK_MECH *mechanism, unsigned long key'],
  C_Sign: [43, 'unsigned long session, const void *data, unsigned long n, void *sig, _Inout_ unsigned long *length'],
  C_GenerateKeyPair: [
    59,
    'unsigned long session, CK_MECH *mechanism, CK_ATTR *pub, unsigned long n, CK_ATTR *priv, unsigned long m, ' +
      '_Out_ unsigned long *pubKey, _Out_ unsigned long *privKey',
  ],
} as const satisfies Record<string, readonly [place: number, parameters: string]>;
type Calls = Record<keyof typeof FUNCTIONS, Call>;

/**
 * A PKCS#11 module (a shared library). Each function runs on a thread of the pool, never on the event loop, and throws
 * CkError, or OverdueError when it takes too long. A session does one thing at a time: the caller sees to that.
 */
export class Pkcs11Module {
  private constructor(private readonly calls: Calls) {}

  /** Throws when the library `koffi` is not installed, or the module cannot be loaded. */
  static async load(path: string): Promise<Pkcs11Module> {
    const koffi = await import('koffi').catch(() => {
      throw new Error('PKCS#11 needs the package koffi, which is not installed: run npm install koffi.');
    });
    return new Pkcs11Module(callsOf(koffi, path));
  }

  /** What keeps the module from being called at present, or null. */
  static get overdue(): OverdueError | null {
    const [called] = overdue.values();
    return called === undefined ? null : new OverdueError(called);
  }

  /** Resolves when no function runs any more, not even one that was given up. */
  async idle(): Promise<void> {
    while (running.size > 0) await new Promise<void>((resolve) => waitingForIdle.push(resolve));
  }

  /** Whether this call initialized the module, which then is to be finalized. */
  async initialize(): Promise<boolean> {
    const none = { create: null, destroy: null, lock: null, unlock: null, reserved: null };
    return allowing(ALREADY_INITIALIZED, this.calls.C_Initialize({ ...none, flags: OS_LOCKING }));
  }

  finalize(): Promise<void> {
    return this.calls.C_Finalize(null);
  }

  /** The slot with the token of this label, or null. A slot that cannot tell what it holds is not ours. */
  async findSlot(label: string): Promise<Slot | null> {
    const [slots, count] = [new BigUint64Array(64), [64]];
    await this.calls.C_GetSlotList(1, slots, count);
    for (const slot of slots.slice(0, Number(count[0])).values()) {
      const info = Buffer.alloc(256);
      const answered = await orNull(this.calls.C_GetTokenInfo(Number(slot), info).then(() => info));
      if (answered?.toString('utf8', 0, 32).trimEnd() !== label) continue;
      const isPinAtRisk = (info.readBigUInt64LE(FLAGS_AT) & PIN_FAILED) !== 0n;
      return { id: Number(slot), isPinAtRisk };
    }
    return null;
  }

  async openSession(slot: number): Promise<number> {
    const session = [0];
    await this.calls.C_OpenSession(slot, SERIAL_AND_WRITE, null, null, session);
    return Number(session[0]);
  }

  /** All sessions of this process are logged in then. */
  async login(session: number, pin: string): Promise<void> {
    const octets = Buffer.from(pin);
    await allowing(USER_ALREADY_LOGGED_IN, this.calls.C_Login(session, USER, octets, octets.length));
  }

  async generateKeyPair(
    session: number,
    mechanism: number,
    templates: { public: readonly Attribute[]; private: readonly Attribute[] },
  ): Promise<{ publicKey: number; privateKey: number }> {
    const [pub, priv] = [templates.public.map(raw), templates.private.map(raw)];
    const [publicKey, privateKey] = [[0], [0]];
    const made = [session, plain(mechanism), pub, pub.length, priv, priv.length, publicKey, privateKey];
    await this.calls.C_GenerateKeyPair(...made);
    return { publicKey: Number(publicKey[0]), privateKey: Number(privateKey[0]) };
  }

  async attribute(session: number, object: number, type: number): Promise<Buffer> {
    const value = Buffer.alloc(4096);
    const list = [{ type, pValue: value, ulValueLen: value.length }];
    await this.calls.C_GetAttributeValue(session, object, list, 1);
    return value.subarray(0, Number(list[0]?.ulValueLen));
  }

  async findObjects(session: number, template: readonly Attribute[]): Promise<number[]> {
    const [list, found, count] = [template.map(raw), new BigUint64Array(16), [0]];
    await this.calls.C_FindObjectsInit(session, list, list.length);
    try {
      await this.calls.C_FindObjects(session, found, found.length, count);
    } finally {
      await this.calls.C_FindObjectsFinal(session);
    }
    return [...found.slice(0, Number(count[0]))].map(Number);
  }

  destroy(session: number, object: number): Promise<void> {
    return this.calls.C_DestroyObject(session, object);
  }

  async sign(session: number, mechanism: number, key: number, data: Buffer): Promise<Buffer> {
    await this.calls.C_SignInit(session, plain(mechanism), key);
    const [signature, length] = [Buffer.alloc(1024), [1024]];
    await this.calls.C_Sign(session, data, data.length, signature, length);
    return signature.subarray(0, Number(length[0]));
  }
}

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof CkError) return null;
    throw error;
  }
}

/** False when the module answers with this code, which is no fault. */
async function allowing(code: number, work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof CkError && error.code === code) return false;
    throw error;
  }
}

function plain(mechanism: number): object {
  return { mechanism, pParameter: null, ulParameterLen: 0 };
}

function raw([type, value]: Attribute): Raw {
  const octets = typeof value === 'boolean' ? Buffer.from([value ? 1 : 0]) : value;
  if (Buffer.isBuffer(octets)) return { type, pValue: octets, ulValueLen: octets.length };
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(octets));
  return { type, pValue: number, ulValueLen: number.length };
}

const loaded = new Map<string, Calls>();
/** Koffi unloads a library as soon as its object is collected: the functions of the list would point nowhere. */
const libraries: Koffi.LibraryHandle[] = [];

/** The names of types are global in koffi, so they are declared once. */
function callsOf(koffi: typeof Koffi, path: string): Calls {
  const known = loaded.get(path);
  if (known) return known;
  if (loaded.size === 0) declareTypes(koffi);
  const list: [unknown] = [null];
  const library = koffi.load(path);
  const getList = library.func('unsigned long C_GetFunctionList(_Out_ void **list)');
  if (getList(list) !== 0) throw new Error('The module gives no list of functions.');
  const { functions } = koffi.decode(list[0], 'CK_LIST') as { functions: unknown[] };
  const calls = Object.entries(FUNCTIONS).map(([name, [place, parameters]]) => [
    name,
    calling(koffi.decode(functions[place], koffi.proto(`unsigned long (${parameters})`)) as Native, name),
  ]);
  const made = Object.fromEntries(calls) as Calls;
  loaded.set(path, made);
  libraries.push(library);
  return made;
}

interface Native {
  async(...args: unknown[]): void;
}

/** Arguments of running calls: the thread reads their memory, so they must not be collected meanwhile. */
const running = new Set<readonly unknown[]>();
/** Those that were given up, with the names of their functions. */
const overdue = new Map<readonly unknown[], string>();
const waitingForIdle: (() => void)[] = [];

function calling(native: Native, name: string): Call {
  return (...args) => {
    if (Pkcs11Module.overdue) return Promise.reject(Pkcs11Module.overdue);
    return new Promise((resolve, reject) => {
      running.add(args);
      const giveUp = (): void => {
        overdue.set(args, name);
        reject(new OverdueError(name));
      };
      const timer = setTimeout(giveUp, name === 'C_GenerateKeyPair' ? generationMs : callMs);
      native.async(...args, (error: Error | null, answer: number) => {
        clearTimeout(timer);
        running.delete(args);
        overdue.delete(args);
        if (running.size === 0) for (const wake of waitingForIdle.splice(0)) wake();
        if (error) reject(error);
        else if (Number(answer) === 0) resolve();
        else reject(new CkError(Number(answer), name));
      });
    });
  };
}

function declareTypes(koffi: typeof Koffi): void {
  koffi.struct('CK_LIST', {
    version: koffi.array('uint8', 2),
    functions: koffi.array('void *', 68),
  });
  koffi.struct('CK_INIT', {
    create: 'void *',
    destroy: 'void *',
    lock: 'void *',
    unlock: 'void *',
    flags: 'unsigned long',
    reserved: 'void *',
  });
  koffi.struct('CK_ATTR', { type: 'unsigned long', pValue: 'void *', ulValueLen: 'unsigned long' });
  koffi.struct('CK_MECH', { mechanism: 'unsigned long', pParameter: 'void *', ulParameterLen: 'unsigned long' });
}
