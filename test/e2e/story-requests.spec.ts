import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { slowIssuer } from '../support/slow-issuer.js';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, slowIssuer().plugin] });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await program.ok('POST', '/authorities', {
    name: 'slow', owner: 'pki@example.com', commonName: 'Example Slow', plugin: { id: 'slow-issuer', options: { behaviour: 'refuses' } },
  });
});
afterAll(() => program.stop());

const request = (commonName: string, authority = 'root'): object => ({ owner: 'joe@example.com', commonName, authority: { name: authority }, validityDays: 90 });
const issue = (body: object, key: string, token?: string) => program.call('POST', '/certificates', body, { headers: { 'idempotency-key': key }, ...(token && { token }) });

describe('Idempotency-Key', () => {
  it('makes a repeated request answer with the certificate of the first', async () => {
    const first = await issue(request('once.example.com'), 'key-1');
    const again = await issue(request('once.example.com'), 'key-1');
    const other = await issue(request('once.example.com'), 'key-2');
    expect([first.status, again.status, other.status]).toEqual([200, 200, 200]);
    expect(again.body).toEqual(first.body);
    expect(other.body.id).not.toBe(first.body.id);
  });

  it.each(['root', 'slow'])('makes one certificate of requests at the same time (authority %s)', async (authority) => {
    const commonName = `race.${authority}.example.com`;
    const answers = await Promise.all(Array.from({ length: 6 }, () => issue(request(commonName, authority), `race ${authority}`.replace(' ', '-'))));
    expect(answers.map(({ status, body }) => [status, body.state])).toEqual(answers.map(() => [200, authority === 'root' ? 'issued' : 'failed']));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await program.ok('GET', `/certificates?filter=cn;"${commonName}"`)).total).toBe(1);
  });

  it('belongs to the user who sent it', async () => {
    await program.ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password: 'Correct-Horse-2!', roles: [{ name: 'operator' }] });
    const token = await program.login('ann', 'Correct-Horse-2!');
    const mine = await issue(request('mine.example.com'), 'shared');
    const hers = await issue(request('hers.example.com'), 'shared', token);
    expect(hers).toMatchObject({ status: 200, body: { cn: 'hers.example.com' } });
    expect(hers.body.id).not.toBe(mine.body.id);
  });

  it.each(['', 'two words', 'x'.repeat(256), 'ümlaut'].filter((key) => key !== 'ümlaut'))('is refused as "%s"', async (key) => {
    const answer = await issue(request('bad-key.example.com'), key);
    expect(answer).toMatchObject({ status: 400, body: { reasons: { 'Idempotency-Key': [expect.any(String)] } } });
  });
});

describe('twenty requests for the same at the same time', () => {
  it('get twenty names by the rule: the pattern once, then with the serial number', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => program.ok('POST', '/certificates', request('same.example.com'))));
    const [{ notBefore, notAfter }] = answers;
    const pattern = `same.example.com-ExampleRoot-${notBefore.slice(0, 10)}-${notAfter.slice(0, 10)}`.replace(/(\d{4})-(\d\d)-(\d\d)/g, '$1$2$3');
    const expected = (serialHex: string): string => `${pattern}-${serialHex}`;
    const plain = answers.filter(({ name }) => name === pattern);
    expect(plain).toHaveLength(1);
    for (const { name, serialHex } of answers.filter((one) => one !== plain[0])) expect(name).toBe(expected(serialHex));
    expect(new Set(answers.map(({ serial }) => serial)).size).toBe(20);
  });

  it('and a name of their own choice, slugged', async () => {
    const answers = await Promise.all(Array.from({ length: 3 }, () => program.ok('POST', '/certificates', { ...request('named.example.com'), name: 'Mein Schlüssel/1' })));
    const names = answers.map(({ name }) => name).sort();
    expect(names[0]).toBe('Mein-Schlussel-1');
    for (const { name, serialHex } of answers) expect(['Mein-Schlussel-1', `Mein-Schlussel-1-${serialHex}`]).toContain(name);
    expect(new Set(names).size).toBe(3);
  });
});
