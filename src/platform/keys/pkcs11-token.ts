import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { Config } from '../config.js';
import { Log } from '../log.js';
import { CkError, OverdueError, Pkcs11Module } from './pkcs11-module.js';

/** The PIN is not retried: after a few wrong ones a token locks itself. */
const pinErrors: ReadonlySet<number> = new Set([0xa0, 0xa3, 0xa4]);
/** The request was wrong, not the connection. */
const refusals: ReadonlySet<number> = new Set([0x70, 0x82, 0x60]);
const SESSION_CLOSED = 0xb0;
/** Signing takes a thread of the pool, which has four. */
const mostSessions = 3;

/** How long a caller waits for a connection, and then for a session. */
const patienceMs = 30_000;
/** How long the end of the program waits for calls that run. */
const shutdownMs = 5_000;

/** A wrong PIN, or a module that cannot be loaded: a person must correct the settings. */
class SettingsError extends Error {}

interface Connection {
  module: Pkcs11Module;
  /** Whether to finalize the module at the end. */
  isOurs: boolean;
  slot: number;
  idle: number[];
  open: number;
  running: number;
  /** Set once it is given up: called when nothing runs any more. */
  drained?: () => void;
}

/** Work inside one session, which nobody else uses meanwhile. */
export type InSession<T> = (module: Pkcs11Module, session: number) => Promise<T>;

/**
 * The token of PKCS11_MODULE and PKCS11_TOKEN_LABEL: connected when it is first needed, and again after it was gone.
 */
@Injectable()
export class Pkcs11Token implements OnModuleInit, OnApplicationShutdown {
  private connecting: Promise<Connection> | null = null;
  private refused: SettingsError | null = null;
  /** The end of the connection before. */
  private ending: Promise<void> = Promise.resolve();
  private isStopped = false;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  get isConfigured(): boolean {
    return this.config.pkcs11Module !== undefined;
  }

  /** Throws when the settings are wrong. A token that is away is waited for, and said in the log. */
  async onModuleInit(): Promise<void> {
    if (!this.isConfigured) return;
    try {
      await this.connect();
    } catch (error) {
      if (error instanceof SettingsError) throw new Error(error.message);
      this.log.warn({ err: error }, 'the PKCS#11 token does not answer: its authorities issue nothing until it does');
    }
  }

  /** A module in which a call hangs is left as it is. */
  async onApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    await this.patiently(this.closed(), shutdownMs).catch(() => undefined);
  }

  private async closed(): Promise<void> {
    const connection = await this.connecting?.catch(() => null);
    if (connection) {
      await drained(connection);
      this.end(connection);
    }
    await this.ending;
  }

  /**
   * Runs `work` in a session that is logged in. Throws PluginError `unavailable` while the token does not answer, or
   * not in time, and `misconfigured` when it is not set up or refuses the PIN.
   */
  async run<T>(work: InSession<T>): Promise<T> {
    try {
      return await this.once(work);
    } catch (error) {
      if (!(error instanceof CkError) || refusals.has(error.code)) throw this.asPluginError(error);
      // The token may be back already, with new sessions.
      return await this.once(work).catch((again: unknown) => {
        throw this.asPluginError(again);
      });
    }
  }

  private async once<T>(work: InSession<T>): Promise<T> {
    const connection = await this.connect();
    if (connection.drained) return this.once(work);
    connection.running += 1;
    let session: number | null = null;
    try {
      session = await this.session(connection);
      return await work(connection.module, session);
    } catch (error) {
      if (!(error instanceof OverdueError) && (!(error instanceof CkError) || refusals.has(error.code))) throw error;
      // Its session may be gone, and its state is not known.
      session = null;
      connection.open -= 1;
      this.forget(connection);
      throw error;
    } finally {
      if (session !== null) connection.idle.push(session);
      connection.running -= 1;
      this.waiting.shift()?.();
      if (connection.running === 0) finished(connection);
    }
  }

  private async session(connection: Connection): Promise<number> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      for (const wake of this.waiting.splice(0)) wake();
    }, patienceMs);
    try {
      for (;;) {
        if (connection.drained) throw new CkError(SESSION_CLOSED, 'another session');
        const idle = connection.idle.pop();
        if (idle !== undefined) return idle;
        if (connection.open < mostSessions) {
          connection.open += 1;
          return await connection.module.openSession(connection.slot);
        }
        if (isLate) throw this.silence();
        await new Promise<void>((resolve) => this.waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  private connect(): Promise<Connection> {
    const obstacle = this.refused ?? Pkcs11Module.overdue ?? (this.isStopped ? this.silence() : null);
    if (obstacle) return Promise.reject(obstacle);
    this.connecting ??= this.opened().catch((error: unknown) => {
      this.connecting = null;
      throw error;
    });
    return this.patiently(this.connecting, patienceMs);
  }

  /** Throws PluginError `unavailable` when the work takes longer than this. */
  private async patiently<T>(work: Promise<T>, ms: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.silence()), ms);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private silence(): PluginError {
    return new PluginError(
      'unavailable',
      `The PKCS#11 token "${this.config.pkcs11TokenLabel}" does not answer in time.`,
    );
  }

  private async opened(): Promise<Connection> {
    const { pkcs11Module: path, pkcs11TokenLabel: label = '', pkcs11Pin: pin = '' } = this.config;
    if (path === undefined) throw new SettingsError('No PKCS#11 module is set up: set PKCS11_MODULE.');
    const module = await Pkcs11Module.load(path).catch((error: unknown) => {
      throw new SettingsError(`PKCS11_MODULE ${path} cannot be loaded: ${(error as Error).message}`);
    });
    await this.ending;
    if (this.isStopped) throw this.silence();
    // One that does not return may still succeed.
    let isOurs = true;
    try {
      isOurs = await module.initialize();
      const slot = await module.findSlot(label);
      if (slot === null) throw new PluginError('unavailable', `There is no PKCS#11 token "${label}" at present.`);
      if (slot.isPinAtRisk) throw pinAtRisk(label);
      // This session stays open: with the last one the token forgets who is logged in.
      await this.login(module, await module.openSession(slot.id), pin);
      return { module, isOurs, slot: slot.id, idle: [], open: 0, running: 0 };
    } catch (error) {
      this.end({ module, isOurs });
      if (!Pkcs11Module.overdue) await this.ending;
      throw error;
    }
  }

  private async login(module: Pkcs11Module, session: number, pin: string): Promise<void> {
    try {
      await module.login(session, pin);
    } catch (error) {
      if (!(error instanceof CkError) || !pinErrors.has(error.code)) throw error;
      this.refused = new SettingsError(
        `The PKCS#11 token "${this.config.pkcs11TokenLabel}" refuses the PIN (${error.message}). Correct PKCS11_PIN ` +
          'before you start again: a token locks itself after a few wrong PINs.',
      );
      throw this.refused;
    }
  }

  /** The next use connects anew, once what runs has ended: a module must not be finalized under a running call. */
  private forget(connection: Connection): void {
    if (connection.drained) return;
    const again = drained(connection).then(() => {
      this.end(connection);
      return this.opened();
    });
    this.connecting = again;
    again.catch(() => {
      if (this.connecting === again) this.connecting = null;
    });
  }

  /** Calls that were given up may run yet: until they return, the module is not finalized, and not opened again. */
  private end({ module, isOurs }: Pick<Connection, 'module' | 'isOurs'>): void {
    const ended = module.idle().then(() => (isOurs ? module.finalize() : undefined));
    this.ending = ended.catch(() => undefined);
  }

  private asPluginError(error: unknown): unknown {
    if (error instanceof SettingsError) return new PluginError('misconfigured', error.message);
    if (!(error instanceof CkError || error instanceof OverdueError)) return error;
    const { pkcs11TokenLabel: label } = this.config;
    return new PluginError('unavailable', `The PKCS#11 token "${label}" does not do its work: ${error.message}.`);
  }
}

/** Not remembered: a running program goes on as soon as somebody has logged in. */
function pinAtRisk(label: string): SettingsError {
  return new SettingsError(
    `A wrong PIN was given to the PKCS#11 token "${label}", and a few more lock it, so none is tried. ` +
      'See that PKCS11_PIN is right, then log in once by other means, which clears this: ' +
      'pkcs11-tool --module … --token-label … --login -O.',
  );
}

/** Nothing new begins in the connection; resolves when nothing runs there any more. */
function drained(connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    connection.drained = resolve;
    if (connection.running === 0) resolve();
  });
}

function finished({ drained: done }: Connection): void {
  done?.();
}
