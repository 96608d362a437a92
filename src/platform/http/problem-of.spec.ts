import { readFile } from 'node:fs/promises';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from '../../../test/support/database.js';
import { type Problem, problems } from './problem.js';
import { problemOf } from './problem-of.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase([]);
  await database.source
    .query(`create table shelf (id int primary key, first_name text, last_name text, unique (first_name, last_name));
    create unique index shelf_lower on shelf (lower(first_name));
    create table book (id int primary key, shelf_id int not null references shelf, short varchar(3));
    create table box (id int primary key, shelf_id int references shelf on delete restrict);
    insert into shelf values (1, 'Ada', 'L'), (2, 'Box', 'B'); insert into book values (1, 1); insert into box
      values (1, 2)`);
});
afterAll(async () => {
  await database.drop();
});

async function failing(statement: string, parameters: unknown[] = []): Promise<Problem> {
  const error: unknown = await database.source.query(statement, parameters).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  const problem = problemOf(error);
  expect(problem.extra.cause).toBe(error);
  return problem;
}

describe('what Postgres refuses', () => {
  it.each([
    [
      'insert into shelf values (9, $1, $2)',
      ['Ada', 'L'],
      'conflict',
      'There is already one with this first name and last name.',
    ],
    ["insert into shelf values (9, 'ADA', 'other')", [], 'conflict', 'There is already one with this first name.'],
    ['insert into book values (9, 77)', [], 'conflict', 'Something that this refers to does not exist, or no longer.'],
    ['delete from shelf where id = 1', [], 'in-use', 'Something still refers to this: book.'],
    ['update shelf set id = 5 where id = 1', [], 'in-use', 'Something still refers to this: book.'],
    ['delete from shelf where id = 2', [], 'in-use', 'Something still refers to this: box.'],
    ['select $1::text', ['a\0b'], 'invalid-request', 'A text holds a character that cannot be stored.'],
    ['select \'"\\u0000"\'::jsonb ->> 0', [], 'invalid-request', 'A text holds a character that cannot be stored.'],
    ['select $1::int', ['99999999999'], 'invalid-request', 'A number is out of range.'],
    ['select $1::int', ['abc'], 'invalid-request', 'A value does not have the form that its field needs.'],
    ['select $1::timestamptz', ['soon'], 'invalid-request', 'A date or time is not valid.'],
    ['select $1::timestamptz', ['2026-13-45'], 'invalid-request', 'A date or time is out of range.'],
    ["insert into book values (9, 1, 'long')", [], 'invalid-request', 'A text is longer than the field allows.'],
    ['select nonsense', [], 'internal', problems.internal.title],
    ['insert into book values (9)', [], 'internal', problems.internal.title],
    // Last: it leaves a dead connection in the pool.
    ['select pg_terminate_backend(pg_backend_pid())', [], 'unavailable', problems.unavailable.title],
  ] as const)('%s', async (statement, parameters, code, detail) => {
    expect(await failing(statement, [...parameters])).toMatchObject({ code, detail });
  });

  it.each([
    ['at a port', 'postgres://nobody@127.0.0.1:1/none'],
    ['at a socket', 'postgres:///none?host=%2Ftmp%2Fno-such-folder&user=nobody'],
    ['with a name', 'postgres://nobody@nowhere.invalid/none'],
  ])('and a server %s that is not there', async (_, url) => {
    const source = new DataSource({ type: 'postgres', url });
    const error: unknown = await source.initialize().catch((thrown: unknown) => thrown);
    expect(problemOf(error)).toMatchObject({ code: 'unavailable', extra: { retryAfterS: 5 } });
  });
});

it('a file that is not there is not a server that is not there', async () => {
  const error: unknown = await readFile('/tmp/no-such-folder/file').catch((thrown: unknown) => thrown);
  expect(problemOf(error)).toMatchObject({ code: 'internal' });
});
