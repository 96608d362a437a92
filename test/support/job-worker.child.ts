import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/platform/db/data-source.js';
import { Database } from '../../src/platform/db/database.js';
import { startWorker } from './job-worker.js';

/** A worker in a process of its own that takes up `test.work` and never ends it. */
async function main(databaseUrl: string, redisUrl: string | undefined, runLeaseS: number): Promise<void> {
  const source = await new DataSource(dataSourceOptions(databaseUrl, [], [])).initialize();
  const hang = (): Promise<void> => new Promise(() => undefined);
  await startWorker({ db: new Database(source), redisUrl, times: { runLeaseS } }, { work: hang });
}

const [databaseUrl = '', redisUrl = '', runLeaseS = ''] = process.argv.slice(2);
void main(databaseUrl, redisUrl === '' ? undefined : redisUrl, Number(runLeaseS));
