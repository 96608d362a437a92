import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { isPartOf, parameterOf, type UnreadPart, unreadParts } from './unread-part.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase([]);
});
afterAll(() => test.drop());

const acm = 'arn:aws:acm:eu-west-1:';
const certificate = `${acm}1:certificate/one`;
const elb = 'arn:aws:elasticloadbalancing:';
const listeners = `${elb}eu-west-1:1:listener/app/web/1a`;
const api = 'arn:aws:apigateway:eu-west-1::/domainnames/api.example.com';

/** Of the candidates, those that are in the part. */
async function among(part: UnreadPart, candidates: readonly string[]): Promise<string[]> {
  const rows: { id: string }[] = await test.db.single.query(
    `select c.id from unnest($1::text[]) with ordinality as c(id, at), ${unreadParts('$2', 'w')}
      where ${isPartOf('c.id', 'w')} order by c.at`,
    [candidates, parameterOf([part])],
  );
  return rows.map(({ id }) => id);
}

describe('what is in a part that could not be read', () => {
  it.each<[string, UnreadPart, { inside: string[]; outside: string[] }]>([
    [
      'a region of a service',
      { location: `${elb}eu-west-1:` },
      { inside: [`${listeners}/2b`, `${listeners}/2b ${certificate}`], outside: [`${elb}eu-west-10:1:x`, certificate] },
    ],
    [
      'the listeners of a load balancer',
      { location: `${listeners}/` },
      { inside: [`${listeners}/2b`, `${listeners}/2b ${certificate}`], outside: [`${listeners}9/2b`] },
    ],
    [
      'one classic load balancer',
      { location: 'eu-west-1/web' },
      { inside: ['eu-west-1/web'], outside: ['eu-west-1/web-old', 'eu-west-1/web/x', 'eu-west-1/we'] },
    ],
    [
      'ACM, beside load balancers that are read',
      { location: acm, usersExcept: [elb] },
      { inside: [certificate, `${api} ${certificate}`], outside: [`${listeners}/2b ${certificate}`, api] },
    ],
    [
      'ACM alone',
      { location: acm, usersExcept: [] },
      { inside: [certificate, `${api} ${certificate}`, `${listeners}/2b ${certificate}`], outside: [api] },
    ],
    [
      'one certificate of ACM',
      { location: certificate, usersExcept: [elb] },
      { inside: [certificate, `${api} ${certificate}`], outside: [`${certificate}2`, `${api} ${certificate}2`] },
    ],
    [
      'a part whose users are not reported',
      { location: acm },
      { inside: [certificate], outside: [`${api} ${certificate}`] },
    ],
    [
      'a secret, beside ingresses',
      { location: 'prod/web' },
      { inside: ['prod/web'], outside: ['prod/web/www.test', 'prod/web-old/www.test', 'prod/web2'] },
    ],
    ['a namespace', { location: 'prod/' }, { inside: ['prod/web', 'prod/web/www.test'], outside: ['prod2/web'] }],
    [
      'a file',
      { location: '/etc/a.pem' },
      { inside: ['/etc/a.pem', '/etc/a.pem#2'], outside: ['/etc/a.pem.crt', '/etc/a.pem/b.pem'] },
    ],
    ['a folder', { location: '/etc/a/' }, { inside: ['/etc/a/b.pem', '/etc/a/b/c.pem#2'], outside: ['/etc/ab.pem'] }],
    [
      'a server',
      { location: '10.0.0.1:44' },
      { inside: ['10.0.0.1:44', '10.0.0.1:44 (ECDSA)'], outside: ['10.0.0.1:443', 'www.test@10.0.0.1:44'] },
    ],
    ['a name with what no database stores', { location: 'a\0\ud800' }, { inside: [], outside: ['a'] }],
    ['a name with the signs of patterns', { location: 'a_%/' }, { inside: ['a_%/b'], outside: ['abc/b'] }],
  ])('%s', async (_, part, { inside, outside }) => {
    expect(await among(part, [...inside, ...outside])).toEqual(inside);
  });
});
