import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

/*
 * A separate process: the least that can answer a request, with as many octets as its argument says. They begin like an
 * OCSP response. Tells its parent its port.
 */
const begin = Buffer.from('308203e00a0100', 'hex');
const answer = Buffer.concat([begin, randomBytes(Number(process.argv[2]) - begin.length)]);

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/ocsp-response', 'content-length': answer.length });
    response.end(answer);
  });
});
process.on('disconnect', () => server.close());
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
