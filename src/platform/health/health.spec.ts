import { afterEach, describe, expect, it } from 'vitest';
import { startToy, type ToyApp } from '../../../test/support/toy-app.js';
import { createEmptyDatabase } from '../../../test/support/database.js';
import { Readiness } from './readiness.js';

let toy: ToyApp | undefined;
afterEach(async () => {
  await toy?.app.close();
});

describe('health', () => {
  it('is live whatever happens to the database, and ready only while it answers', async () => {
    const database = await createEmptyDatabase([]);
    toy = await startToy({ query: () => database.source.query('select 1') });
    expect((await toy.app.inject('/health/ready')).json()).toEqual({
      status: 'ok',
      checks: ['database'],
      warnings: [],
    });
    expect((await toy.app.inject('/api/1/healthcheck')).body).toBe('ok');
    await database.drop();
    const ready = await toy.app.inject('/health/ready');
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toMatchObject({
      detail: 'Not ready: database.',
      reasons: { database: ['The check failed.'] },
    });
    expect(toy.lines).toContainEqual(expect.objectContaining({ msg: 'readiness check failed', check: 'database' }));
    expect((await toy.app.inject('/api/1/healthcheck')).statusCode).toBe(503);
    expect((await toy.app.inject('/health/live')).json()).toEqual({ status: 'ok' });
  });

  it('tells warnings, and stays ready', async () => {
    toy = await startToy();
    const readiness = toy.app.get(Readiness);
    readiness.warn('crl', async () => '1 of 2 CRLs is overdue.');
    readiness.warn('quiet', async () => null);
    const ready = await toy.app.inject('/health/ready');
    expect([ready.statusCode, ready.json()]).toMatchObject([200, { warnings: ['1 of 2 CRLs is overdue.'] }]);
    expect((await toy.app.inject('/api/1/healthcheck')).body).toBe('ok');
  });

  it('gives the reasons of all that fail, also of one that never answers', async () => {
    toy = await startToy();
    const readiness = toy.app.get(Readiness);
    readiness.add('queue', async () => 'No connection to Redis.');
    readiness.add('vault', () => new Promise(() => undefined));
    const ready = await toy.app.inject('/health/ready');
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toMatchObject({
      reasons: { queue: ['No connection to Redis.'], vault: ['No answer within 2 s.'] },
    });
    expect(ready.json<{ reasons: object }>().reasons).not.toHaveProperty('database');
  });
});
