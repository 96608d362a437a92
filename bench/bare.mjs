import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

/*
 * A separate process: the least that can issue over HTTP with Fastify. For each request it verifies the signature of
 * one P-256 CSR, signs as many bytes as a certificate has, and inserts one row of `rowBytes` bytes in its own commit.
 * No rights, no names, no log. Arguments: database URL, rowBytes. Tells its parent its port.
 */
const [url, rowBytes] = [process.argv[2], Number(process.argv[3])];
const tbsBytes = 600;
const pool = new pg.Pool({ connectionString: url, max: 20 });
await pool.query('create table bare (id integer generated always as identity primary key, body bytea not null)');

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
// PEM hardly compresses, so neither may this.
const bodies = Array.from({ length: 256 }, () => randomBytes(rowBytes));
let next = 0;

const fastify = Fastify({ logger: false });
fastify.post('/bare/certificates', async ({ body: { csr } }) => {
  const { info, spki, signature } = partsOf(Buffer.from(csr.replace(/-----[^-]+-----/g, ''), 'base64'));
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (!verify('sha256', info, key, signature)) throw new Error('The CSR is not signed by its key.');
  const tbs = Buffer.concat([info, randomBytes(16)], tbsBytes);
  const body = Buffer.concat([tbs, sign('sha256', tbs, privateKey)]).toString('base64');
  const values = [bodies[next++ % bodies.length]];
  const { rows } = await pool.query({
    name: 'insert',
    text: 'insert into bare (body) values ($1) returning id',
    values,
  });
  return { id: rows[0].id, body };
});

/** What of a CSR in DER is signed, its key, and the signature (RFC 2986 §4). */
function partsOf(der) {
  const [info, , bits] = childrenOf(der);
  const [, , spki] = childrenOf(info);
  return { info, spki, signature: bits.subarray(headOf(bits) + 1) };
}

function childrenOf(der) {
  const children = [];
  for (let at = headOf(der); at < der.length;) {
    const size = sizeOf(der.subarray(at));
    children.push(der.subarray(at, at + size));
    at += size;
  }
  return children;
}

function headOf(der) {
  return der[1] < 0x80 ? 2 : 2 + (der[1] & 0x7f);
}

function sizeOf(der) {
  const head = headOf(der);
  return head + (head === 2 ? der[1] : der.readUIntBE(2, head - 2));
}

process.on('disconnect', () => void fastify.close().then(() => pool.end()));
await fastify.listen({ port: 0, host: '127.0.0.1' });
process.send(fastify.server.address().port);
