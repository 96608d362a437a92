import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { migrations } from '../migrations/index.js';
import { entities } from './app.entities.js';
import { AppModule } from './app.module.js';
import { Clock } from './platform/clock.js';
import type { Config } from './platform/config.js';
import { createDataSource } from './platform/db/data-source.js';
import { Database } from './platform/db/database.js';
import { applyHttp, createFastifyAdapter } from './platform/http/server.js';
import { serveWatchersOnly } from './platform/http/watchers-only.js';
import { createLog, FrameworkLog, type Log } from './platform/log.js';
import type { Foundations } from './platform/platform.module.js';
import { announceKeys } from './platform/secrets/key-holders.js';
import { openKeyRing } from './platform/secrets/open-key-ring.js';
import { bootstrapAccounts } from './roles/bootstrap.js';

/** A running program. */
export interface Perennial {
  app: NestFastifyApplication;
  /** Where it listens, without a slash at the end. */
  url: string;
  /** Ends it cleanly: running jobs finish or are handed back, then the database is shut down. */
  stop(): Promise<void>;
}

/** What a test may put in the place of the real thing. */
export interface Replacements extends Partial<Pick<Foundations, 'clock' | 'plugins'>> {
  log?: Log;
  /** Called with the password of the new user `admin` when this start has made it up; it cannot be had again. */
  announcePassword?: (password: string) => void;
}

/**
 * Starts the whole program: database, migrations, accounts, key ring, application. Throws with a message for the
 * operator.
 */
export async function startPerennial(config: Config, replacements: Replacements = {}): Promise<Perennial> {
  const log = replacements.log ?? createLog(config.logLevel);
  const { source, stop: stopDatabase } = await createDataSource({
    config,
    entities,
    migrations,
    log: (line) => log.debug({}, line),
  });
  let silence = async (): Promise<void> => undefined;
  try {
    const db = new Database(source);
    const keyRing = await openKeyRing(config, db);
    silence = await announceKeys(db, keyRing, (err) =>
      log.warn({ err }, 'this process could not say which keys it holds'),
    );
    const { generatedPassword } = await bootstrapAccounts(db, config.adminPassword);
    if (generatedPassword !== null) replacements.announcePassword?.(generatedPassword);
    const { clock = new Clock(), plugins } = replacements;
    const module = AppModule.on({ config, log, source, keyRing, clock, ...(plugins && { plugins }) });
    const app = await NestFactory.create<NestFastifyApplication>(module, createFastifyAdapter(config), {
      logger: new FrameworkLog(log),
      abortOnError: false,
    });
    const stop = (): Promise<void> => app.close().finally(silence).finally(stopDatabase);
    return { app, url: await listen(app, config), stop };
  } catch (error) {
    await silence().finally(stopDatabase);
    throw error;
  }
}

const listenFaults: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use by another program. Stop that one, or set PORT to another port.',
  EACCES: 'this user may not open the port. Set PORT to one above 1023.',
  EADDRNOTAVAIL: 'this machine does not have the address. Set HOST to one that it has.',
};

async function listen(app: NestFastifyApplication, config: Config): Promise<string> {
  try {
    applyHttp(app, config);
    if (config.role === 'worker') serveWatchersOnly(app);
    await app.listen(config.port, config.host);
    return (await app.getUrl()).replace(/\/$/, '');
  } catch (error) {
    await app.close();
    const fault = listenFaults[(error as NodeJS.ErrnoException).code ?? ''];
    throw fault === undefined
      ? error
      : new Error(`Cannot listen on ${config.host}, port ${config.port}: ${fault}`, { cause: error });
  }
}
