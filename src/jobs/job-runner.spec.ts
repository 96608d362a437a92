import { randomBytes } from 'node:crypto';
import { type DynamicModule, type INestApplicationContext, Logger, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { defineJob, type Job } from './define-job.js';
import { JobRun } from './job-run.entity.js';
import { Jobs } from './job-runner.js';
import { Readiness } from '../platform/health/readiness.js';
import { IdempotentRequests } from '../platform/http/idempotent-requests.js';
import { createLog, Log } from '../platform/log.js';
import { Metrics } from '../platform/metrics.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { JobsModule } from './jobs.module.js';
import { OutboxEntry } from './outbox.entity.js';

Logger.overrideLogger(false);

const data = z.strictObject({ n: z.number() });
const one = defineJob('boot.one', data);
const two = defineJob('boot.two', data);
const undeclared = { ...one, name: 'boot.undeclared' };
const ran: number[] = [];

/** A feature that handles these jobs. */
function feature(...jobs: Job<{ n: number }>[]): DynamicModule {
  const register = (runner: Jobs): OnModuleInit => ({
    onModuleInit: () => {
      for (const job of jobs) runner.handle(job, async ({ n }) => void ran.push(n));
    },
  });
  return {
    module: class Feature {},
    imports: [JobsModule],
    providers: [{ provide: 'handlers', inject: [Jobs], useFactory: register }],
  };
}

describe('a process with jobs', () => {
  let test: TestDatabase;
  let app: INestApplicationContext | undefined;

  beforeEach(async () => {
    ran.length = 0;
    test = await createTestDatabase([OutboxEntry, JobRun]);
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
    await test.drop();
  });

  async function boot(role: Config['role'], module: DynamicModule): Promise<void> {
    const config = Object.assign(Object.create(Config.prototype) as Config, { role });
    const platform = {
      module: class Platform {},
      global: true,
      providers: [
        { provide: Config, useValue: config },
        { provide: Database, useValue: test.db },
        { provide: Log, useValue: createLog('silent') },
        { provide: KeyRing, useValue: new KeyRing([{ id: null, key: randomBytes(32) }]) },
        Clock,
        IdempotentRequests,
        Metrics,
        Readiness,
      ],
      exports: [Config, Database, Log, Clock, IdempotentRequests, Metrics, Readiness],
    };
    const root = { module: class Root {}, imports: [platform, module] };
    app = await NestFactory.createApplicationContext(root, { logger: false, abortOnError: false });
  }

  it('runs them in the role all', async () => {
    await boot('all', feature(one, two));
    await test.db.write((tx) => one.enqueue(tx, { n: 1 }));
    await vi.waitFor(() => expect(ran).toEqual([1]), { timeout: 90_000 });
  });

  it('leaves them to a worker in the role api', async () => {
    await boot('api', feature(one, two));
    await test.db.write((tx) => one.enqueue(tx, { n: 1 }));
    await app?.close();
    app = undefined;
    await boot('worker', feature(one, two));
    await vi.waitFor(() => expect(ran).toEqual([1]), { timeout: 90_000 });
    expect(await test.source.getRepository(JobRun).count()).toBe(1);
  });

  it('does not start when a job has no handler', async () => {
    await expect(boot('api', feature(one))).rejects.toThrow('No handler for boot.two');
  });

  it('does not start when a handler has no job', async () => {
    await expect(boot('api', feature(one, two, undeclared))).rejects.toThrow('There is a handler for boot.undeclared');
  });

  it('does not start when a job has two handlers', async () => {
    await expect(boot('api', feature(one, two, two))).rejects.toThrow('boot.two has two handlers');
  });

  it('declares a job once', () => {
    expect(() => defineJob('boot.one', data)).toThrow('defined twice');
  });
});
