import pg from 'pg';
import { randomBytes } from 'node:crypto';
import { load } from './load.mjs';

/*
 * A separate process that inserts rows of `rowBytes` bytes, each in its own commit, when its parent sends { ms }. It
 * answers with the rows stored per second. Arguments: database URL, clients, rowBytes.
 */
const [url, clients, rowBytes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const pool = new pg.Pool({ connectionString: url, max: clients });
await pool.query(
  'create table if not exists baseline (id integer generated always as identity primary key, body bytea not null)',
);

// PEM hardly compresses, so neither may this.
const bodies = Array.from({ length: 256 }, () => randomBytes(rowBytes));
let next = 0;
const insert = () =>
  pool.query({
    name: 'insert',
    text: 'insert into baseline (body) values ($1)',
    values: [bodies[next++ % bodies.length]],
  });

process.on('message', async ({ ms }) => process.send((await load(insert, { clients, ms })).perS));
process.on('disconnect', () => void pool.end());
process.send('ready');
