import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

/*
 * A separate process: the least that can answer a POST, with as many octets as an OCSP response has. It begins like one.
 * Tells its parent its port.
 */
const answer = Buffer.concat([Buffer.from('308203e00a0100', 'hex'), randomBytes(900)]);

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/ocsp-response', 'content-length': answer.length });
    response.end(answer);
  });
});
process.on('disconnect', () => server.close());
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
