import 'reflect-metadata';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abstract, INestApplicationContext, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { migrations } from '../../migrations/index.js';
import { entities } from '../app.entities.js';
import { AppModule } from '../app.module.js';
import { Clock } from '../platform/clock.js';
import type { Config } from '../platform/config.js';
import { joinDataSource, missingMigrations, type OpenDataSource } from '../platform/db/data-source.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { FrameworkLog } from '../platform/log.js';
import { onStopSignal } from '../platform/process.js';
import { demandCommonKey } from '../platform/secrets/key-holders.js';
import type { KeyRing } from '../platform/secrets/key-ring.js';
import { openKeyRing } from '../platform/secrets/open-key-ring.js';
import type { Shell } from './shell.js';

const interrupted = 130;

/** The services of the program on its database, without HTTP and without jobs. */
export class Session {
  readonly actor: Actor;

  constructor(
    readonly shell: Shell,
    readonly config: Config,
    readonly db: Database,
    private readonly app: INestApplicationContext,
  ) {
    this.actor = shell.actor;
  }

  /** Any service of any module. */
  readonly get = <T>(service: Type<T> | Abstract<T>): T => this.app.get(service, { strict: false });
}

/**
 * Opens the database of the program, whether or not the program runs or the database is migrated; closes it at the end.
 */
export async function withDatabase<T>(
  shell: Shell,
  config: Config,
  work: (open: OpenDataSource) => Promise<T>,
): Promise<T> {
  const log = shell.log(config);
  const open = await joinDataSource({ config, entities, migrations, log: (line) => log.debug({}, line) });
  onStopSignal(async () => {
    shell.interrupt();
    await open.stop();
  }, interrupted);
  return work(open).finally(() => open.stop());
}

/** Runs `work` with the services. Throws if there is no database, or if its tables belong to another version. */
export async function withSession(shell: Shell, work: (session: Session) => Promise<void>): Promise<void> {
  const config = shell.config();
  await demandData(config);
  await withDatabase(shell, config, async (open) => {
    if ((await missingMigrations(open.source)).length > 0) {
      throw new Error(
        'The tables of this database belong to another version. Start the program, or run: perennial init',
      );
    }
    await withServices(
      shell,
      config,
      open,
      await openKeyRing(config, new Database(open.source), demandCommonKey),
      work,
    );
  });
}

/** Runs `work` with the services on a migrated database. */
export async function withServices(
  shell: Shell,
  config: Config,
  { source }: OpenDataSource,
  keyRing: KeyRing,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const log = shell.log(config);
  const module = AppModule.on({ config, log, source, keyRing, clock: new Clock() });
  const app = await NestFactory.createApplicationContext(module, {
    logger: new FrameworkLog(log),
    abortOnError: false,
  });
  await work(new Session(shell, config, new Database(source), app)).finally(() => app.close());
}

/** A typing error in DATA_DIR must not create an empty database. */
async function demandData({ databaseUrl, dataDir }: Config): Promise<void> {
  if (databaseUrl !== undefined) return;
  await access(join(dataDir, 'postgres')).catch(({ code }: NodeJS.ErrnoException) => {
    if (code === 'EACCES')
      throw new Error(`This system user cannot open ${dataDir}. Run the command as the system user of the program.`);
    throw new Error(
      `There is no database in ${dataDir}. Set DATA_DIR or DATABASE_URL as for the program, or run: perennial init`,
    );
  });
}
