import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AuditEvent } from '../../src/audit/audit-event.entity.js';
import { ApiKey } from '../../src/auth/api-key.entity.js';
import { UserIdentity } from '../../src/auth/federation/user-identity.entity.js';
import { AuthModule } from '../../src/auth/auth.module.js';
import { Clock } from '../../src/platform/clock.js';
import { Config, loadConfig } from '../../src/platform/config.js';
import { Database } from '../../src/platform/db/database.js';
import { KeptFacts } from '../../src/platform/db/kept-facts.js';
import { GuardedAgents } from '../../src/platform/net/guarded-agent.js';
import { IdempotentRequests } from '../../src/platform/http/idempotent-requests.js';
import { HttpModule } from '../../src/platform/http/http.module.js';
import { platformSurfaces } from '../../src/platform/http/platform-surfaces.js';
import { applyHttp, createFastifyAdapter } from '../../src/platform/http/server.js';
import { Surfaces } from '../../src/platform/http/surfaces.js';
import { KeyRing } from '../../src/platform/secrets/key-ring.js';
import { createLog, Log } from '../../src/platform/log.js';
import { bootstrapAccounts } from '../../src/roles/bootstrap.js';
import { Role } from '../../src/roles/role.entity.js';
import { UserRole } from '../../src/roles/user-role.entity.js';
import { User } from '../../src/users/user.entity.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import type { Json } from './json.js';

/** The password of the user `admin`, and of every user that `addUser` makes. */
export const PASSWORD = 'Correct-horse7!';
export const accountEntities = [ApiKey, AuditEvent, Role, User, UserIdentity, UserRole];

/** A clock that tests move by hand; it starts at the real time. */
export class HandClock extends Clock {
  private at = Date.now();

  override now(): Date {
    return new Date(this.at);
  }

  forward(minutes: number): void {
    this.at += minutes * 60_000;
  }
}

/** What one request was answered. */
export interface Answer {
  status: number;
  body: Json;
  headers: Record<string, unknown>;
}

/** What a request sends. `auth` is a whole header, `token` makes a Bearer one. */
export interface Sent {
  token?: string;
  auth?: string;
  body?: object;
  address?: string;
}

/** A running application that has accounts and nothing else. */
export interface AccountsApp {
  app: NestFastifyApplication;
  test: TestDatabase;
  clock: HandClock;
  call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, sent?: Sent): Promise<Answer>;
  /** Signs in and returns the token. */
  signIn(username: string, password?: string): Promise<string>;
  /** Makes a user `<name>@example.com` with these roles, which are made when they are missing; returns its id. */
  addUser(username: string, ...roles: string[]): Promise<number>;
  close(): Promise<void>;
}

/** Starts the application with the built-in roles, the user `admin`, and the given controllers. */
export async function startAccounts(
  controllers: readonly Type<object>[] = [],
  env: Record<string, string> = {},
): Promise<AccountsApp> {
  const test = await createTestDatabase(accountEntities);
  const dataDir = await mkdtemp(join(tmpdir(), 'perennial-accounts-'));
  await bootstrapAccounts(test.db, PASSWORD);
  const clock = new HandClock();
  const config = loadConfig({
    DATA_DIR: dataDir,
    PERENNIAL_ROLE: 'api',
    PUBLIC_URL: 'https://pki.example.org',
    ...env,
  });
  const app = await createApp(config, test.db, clock, [...controllers]).catch(async (error: unknown) => {
    await test.drop();
    throw error;
  });
  const call = caller(app);
  return {
    app,
    test,
    clock,
    call,
    signIn: async (username, password = PASSWORD) => {
      const { status, body } = await call('POST', '/auth/login', { body: { username, password } });
      if (status !== 200) throw new Error(`Sign-in failed: ${status}`);
      return (body as { token: string }).token;
    },
    addUser: (username, ...roles) => addUser(test, username, roles),
    close: async () => {
      await app.close();
      await test.drop();
      await rm(dataDir, { recursive: true });
    },
  };
}

class PlatformModule {}

async function createApp(
  config: Config,
  db: Database,
  clock: Clock,
  controllers: Type<object>[],
): Promise<NestFastifyApplication> {
  const platform = [
    { provide: Config, useValue: config },
    { provide: Database, useValue: db },
    { provide: Clock, useValue: clock },
    KeptFacts,
    IdempotentRequests,
    { provide: Log, useValue: createLog('silent') },
    { provide: GuardedAgents, useValue: new GuardedAgents(config) },
    { provide: KeyRing, useValue: new KeyRing([{ id: null, key: randomBytes(32) }]) },
  ];
  const surfaces = new Surfaces(platformSurfaces);
  @Module({
    imports: [
      { module: PlatformModule, global: true, providers: platform, exports: platform },
      HttpModule.serving(surfaces),
      AuthModule,
    ],
    controllers,
  })
  class TestModule {}
  const app = await NestFactory.create<NestFastifyApplication>(TestModule, createFastifyAdapter(config, surfaces), {
    logger: false,
    abortOnError: false,
  });
  applyHttp(app, config);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return app;
}

function caller(app: NestFastifyApplication): AccountsApp['call'] {
  return async (method, path, { token, auth = token && `Bearer ${token}`, body, address } = {}) => {
    const url = path.startsWith('/health') ? path : `/api/1${path}`;
    const answer = await app.inject({
      method,
      url,
      payload: body,
      remoteAddress: address,
      headers: auth === undefined ? {} : { authorization: auth },
    });
    return { status: answer.statusCode, body: answer.body === '' ? null : answer.json(), headers: answer.headers };
  };
}

async function addUser(test: TestDatabase, username: string, roles: string[]): Promise<number> {
  // The admin's hash serves all: hashing anew for every user would make up most of the time of the tests.
  const [{ id }] = await test.source.query<[{ id: number }]>(
    `insert into app_user (username, email, password_hash) select $1, lower($1) || '@example.com', password_hash
      from app_user where username = 'admin' returning id`,
    [username],
  );
  await test.source.query('insert into role (name) select unnest($1::text[]) on conflict do nothing', [roles]);
  await test.source.query('insert into user_role select $1, id from role where name = any($2::text[])', [id, roles]);
  return id;
}
