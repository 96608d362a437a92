import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { migrations } from '../migrations/index.js';
import { entities } from './app.entities.js';
import { AppModule } from './app.module.js';
import { surfacesOf } from './app.surfaces.js';
import { TlsAnswers } from './challenges/tls-answers.js';
import { Clock } from './platform/clock.js';
import type { Config } from './platform/config.js';
import { createDataSource } from './platform/db/data-source.js';
import { Database } from './platform/db/database.js';
import { serve, type Served } from './platform/http/serve.js';
import { createFastifyAdapter } from './platform/http/server.js';
import { createLog, FrameworkLog, type Log } from './platform/log.js';
import type { Foundations } from './platform/platform.module.js';
import { announceKeys } from './platform/secrets/key-holders.js';
import { openKeyRing } from './platform/secrets/open-key-ring.js';
import { bootstrapAccounts } from './roles/bootstrap.js';

/** A running program. */
export interface Perennial extends Served {
  app: NestFastifyApplication;
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
    const surfaces = surfacesOf(config);
    const module = AppModule.on({ config, log, source, keyRing, clock, surfaces, ...(plugins && { plugins }) });
    const app = await NestFactory.create<NestFastifyApplication>(module, createFastifyAdapter(config, surfaces), {
      logger: new FrameworkLog(log),
      abortOnError: false,
    });
    const served = await opened(app, config).catch(async (error: unknown) => {
      await app.close();
      throw error;
    });
    const stop = (): Promise<void> => app.close().finally(silence).finally(stopDatabase);
    return { app, ...served, stop };
  } catch (error) {
    await silence().finally(stopDatabase);
    throw error;
  }
}

/** Opens every address of the program. Throws with a message for the operator. */
async function opened(app: NestFastifyApplication, config: Config): Promise<Served> {
  const served = await serve(app, config);
  if (config.role !== 'worker') await app.get(TlsAnswers).listen();
  return served;
}
