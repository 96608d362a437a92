import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { plugins } from '../../plugins/index.js';
import type { ChallengeAnswer, Presented } from '../../src/plugin-api/challenges.js';
import { defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import { openssl } from '../support/bundles.js';
import { namedIsInstalled, startNamed, type TestNamed } from '../support/named.js';
import { freePort } from '../support/own-server.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const local = localCa.options.parse({});
const hourMs = 3_600_000;

/** What the issuer proves with the next order, what it was told, and whether it is content. */
const script: { answers: ChallengeAnswer[]; told: Presented[]; isContent: boolean; accounts: string[] } = {
  answers: [],
  told: [],
  isContent: false,
  accounts: [],
};

/** An issuer behind a network that wants challenges answered; the local CA signs. */
const prover = defineIssuer({
  id: 'prover',
  title: 'Prover',
  description: 'Wants proof.',
  options: z.strictObject({}),
  answers: 'later',
  createAuthority: (request, _, ctx) =>
    localCa.createAuthority?.(request, local, ctx) ?? Promise.reject(new Error('The local CA makes authorities.')),
  cancel: () => Promise.resolve(),
  async order(order): Promise<Outcome> {
    const { idempotencyKey } = order.request;
    script.accounts.push(order.authorityState ?? (await order.saveAuthority(`account of ${idempotencyKey}`)));
    return { status: 'pending', orderRef: idempotencyKey, pollAfterS: 1 };
  },
  async poll(order: OrderRequest & { orderRef: string }, _, ctx): Promise<Outcome> {
    for (const answer of script.answers) script.told.push(await order.challenges.present(answer));
    if (!script.isContent) return { status: 'pending', orderRef: order.orderRef, pollAfterS: 1 };
    for (const answer of script.answers) await order.challenges.withdraw(answer);
    return localCa.order(order, local, ctx);
  },
});

let program: TestProgram;
let tlsPort: number;
const webroot = mkdtempSync(join(tmpdir(), 'webroot-'));
let named: TestNamed | undefined;
const hasNamed = namedIsInstalled();

beforeAll(async () => {
  if (hasNamed)
    named = await startNamed(['example.test', 'deep.example.test', 'elsewhere.test'], undefined, [
      '_acme-challenge.alias IN CNAME proof.deep',
    ]);
  tlsPort = await freePort();
  program = await startProgram(
    {
      ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
      HTTP_CHALLENGE_WEBROOT: webroot,
      TLS_ALPN_LISTEN: `127.0.0.1:${tlsPort}`,
      DNS_PROPAGATION_CHECK: 'resolvers',
      ...(named && { DNS_RESOLVERS: `127.0.0.1:${named.port}` }),
    },
    { plugins: [...plugins, prover] },
  );
  await program.ok('POST', '/authorities', {
    name: 'prover',
    owner: 'team@example.com',
    commonName: 'Prover CA',
    plugin: { id: 'prover' },
  });
});
afterAll(async () => {
  await program.stop();
  await named?.remove();
  rmSync(webroot, { recursive: true });
});

/** Orders a certificate whose issuer wants these answers; gives its id once they were presented. */
async function ordered(...answers: ChallengeAnswer[]): Promise<number> {
  Object.assign(script, { answers, told: [], isContent: false });
  const { id } = await program.ok('POST', '/certificates', {
    owner: 'team@example.com',
    authority: { name: 'prover' },
    commonName: 'www.example.test',
    validityDays: 30,
  });
  await eventually(async () => script.told.length >= answers.length);
  return id as number;
}

async function issued(id: number): Promise<void> {
  script.isContent = true;
  await eventually(async () => (await program.ok('GET', `/certificates/${id}`)).lifecycle === 'issued');
}

const answerAt = (token: string): Promise<Response> => fetch(`${program.url}/.well-known/acme-challenge/${token}`);
const tsig = (zones: string[]) => ({
  id: 'rfc2136',
  options: {
    server: '127.0.0.1',
    port: named?.port ?? 53,
    zones,
    keyName: 'updater',
    keySecret: named?.keySecret ?? 'c2VjcmV0',
  },
});
/** An hour has passed since answers were presented; the clock stays, as signatures of updates depend on it. */
const pastHour = (): Promise<unknown> =>
  program.database.source.query(`update challenge set remove_at = date_trunc('second', now()) - interval '1 second'`);
const rows = (): Promise<{ id: number }[]> => program.database.source.query('select id from challenge');

describe('HTTP challenge answers', () => {
  it('are served and written below the web root until the issuer does not need them any more', async () => {
    const answer: ChallengeAnswer = { type: 'http-01', domain: 'www.example.test', value: 'tok-en_1.thumb' };
    const id = await ordered(answer);
    expect(script.told[0]).toBe('visible');
    const response = await answerAt('tok-en_1');
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'application/octet-stream',
      'tok-en_1.thumb',
    ]);
    const file = join(webroot, '.well-known/acme-challenge/tok-en_1');
    expect(readFileSync(file, 'utf8')).toBe('tok-en_1.thumb');
    await issued(id);
    await eventually(async () => (await answerAt('tok-en_1')).status === 404 && !existsSync(file));
    expect(await rows()).toEqual([]);
  });

  it('answer 400 or 404 for other and malformed tokens', async () => {
    for (const token of ['unknown', '%2e%2e%2fetc', 'a'.repeat(5000), '', '%00'])
      expect([400, 404]).toContain((await answerAt(token)).status);
  });

  it('are removed an hour after they were last presented', async () => {
    const id = await ordered({ type: 'http-01', domain: 'www.example.test', value: 'lost.thumb' });
    await program.ok('DELETE', `/pending_certificates/${id}`);
    expect((await answerAt('lost')).status).toBe(200);
    await eventually(async () => {
      const [row] = await program.database.source.query('select remove_at as at from challenge');
      return row.at > program.clock.now() && row.at.getTime() - program.clock.now().getTime() <= hourMs;
    });
    // A poll that had begun before may present it once more.
    await eventually(async () => (await pastHour()) && (await answerAt('lost')).status === 404);
  });
});

/** What OpenSSL sees of the TLS server in this process: the certificate that it shows, and what was said. */
async function seen(serverName: string | null, protocol: string): Promise<{ pem: string | undefined; said: string }> {
  const name = serverName === null ? ['-noservername'] : ['-servername', serverName];
  const given = ['s_client', '-connect', `127.0.0.1:${tlsPort}`, '-alpn', protocol, ...name];
  const said = await new Promise<string>((resolve) => {
    const client = execFile('openssl', given, { timeout: 150_000 }, (_, out, errors) => resolve(out + errors));
    client.stdin?.end();
  });
  return { pem: /-----BEGIN CERTIFICATE[^]+END CERTIFICATE-----\n/.exec(said)?.[0], said };
}

describe('TLS challenge answers', () => {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const answerFor = (domain: string, text: string): ChallengeAnswer => ({
    type: 'tls-alpn-01',
    domain,
    value: digest(text).toString('base64url'),
  });

  it.each([
    ['www.example.test', 'WWW.example.test'],
    ['2001:db8::1', `1${'.0'.repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`],
  ])('for %s are shown as RFC 8737 §3 says, until they are not needed any more', async (domain, asked) => {
    const id = await ordered(answerFor(domain, 'key authorization'));
    expect(script.told[0]).toBe('visible');
    const { pem = '', said } = await seen(asked, 'acme-tls/1');
    expect(said).toContain('ALPN protocol: acme-tls/1');
    expect(openssl(['asn1parse'], pem)).toContain(`:0420${digest('key authorization').toString('hex').toUpperCase()}`);
    await issued(id);
    await eventually(async () => (await rows()).length === 0);
    expect((await seen(asked, 'acme-tls/1')).pem).toBeUndefined();
  });

  it('are shown for the one protocol, and for known names', async () => {
    const id = await ordered(answerFor('www.example.test', 'x'));
    expect((await seen('www.example.test', 'acme-tls/1')).pem).toBeDefined();
    expect(await seen('www.example.test', 'h2')).toMatchObject({
      pem: undefined,
      said: expect.stringContaining('no application protocol'),
    });
    expect((await seen('other.example.test', 'acme-tls/1')).pem).toBeUndefined();
    expect((await seen(null, 'acme-tls/1')).pem).toBeUndefined();
    await issued(id);
    await eventually(async () => (await rows()).length === 0);
  });

  it('of two orders for one name are shown one after the other', async () => {
    const [first, second] = [answerFor('www.example.test', 'first'), answerFor('www.example.test', 'second')];
    const id = await ordered(first, second);
    expect(script.told.slice(0, 2)).toEqual(['visible', 'published']);
    const shown = async (): Promise<string> =>
      openssl(['asn1parse'], (await seen('www.example.test', 'acme-tls/1')).pem ?? '');
    expect(await shown()).toContain(digest('first').toString('hex').toUpperCase());
    // The first CA has looked.
    script.answers = [second];
    script.told = [];
    await program.database.source.query('update challenge set remove_at = $1 where value = $2', [
      program.clock.now(),
      first.value,
    ]);
    await eventually(async () => script.told.includes('visible'));
    expect(await shown()).toContain(digest('second').toString('hex').toUpperCase());
    await issued(id);
    await eventually(async () => (await rows()).length === 0);
  });
});

describe.skipIf(!hasNamed)('DNS challenge answers', () => {
  let [wide, deep] = [0, 0];
  beforeAll(async () => {
    const make = async (name: string, zones: string[]): Promise<number> =>
      (await program.ok('POST', '/dns_providers', { name, plugin: tsig(zones) })).id;
    wide = await make('wide', ['example.test']);
    deep = await make('deep', ['deep.example.test']);
  });

  it('follow CNAME records, use the provider with the longest zone, and are removed alone', async () => {
    const answer = { type: 'dns-01', domain: 'alias.example.test' } as const;
    const id = await ordered({ ...answer, value: 'one' }, { ...answer, value: 'two' });
    await eventually(async () => script.told.slice(-2).every((told) => told === 'visible'));
    expect(await named?.txt('proof.deep.example.test')).toEqual(['one', 'two']);
    const used = await program.database.source.query('select distinct place, dns_provider_id as id from challenge');
    expect(used).toEqual([{ place: 'proof.deep.example.test', id: deep }]);
    expect((await program.call('DELETE', `/dns_providers/${deep}`)).status).toBe(409);
    await issued(id);
    await eventually(async () => (await named?.txt('proof.deep.example.test'))?.length === 0);
    expect(await named?.txt('kept.example.test')).toEqual(['kept']);
    await eventually(async () => (await rows()).length === 0);
  });

  it('are removed although the process was killed before the DNS service answered', async () => {
    const value = 'crashed';
    const id = await ordered({ type: 'dns-01', domain: 'crash.example.test', value });
    await program.ok('DELETE', `/pending_certificates/${id}`);
    await program.database.source.query('update challenge set presented_at = null, record_ref = null');
    expect(await named?.txt('_acme-challenge.crash.example.test')).toEqual([value]);
    await eventually(
      async () => (await pastHour()) && (await named?.txt('_acme-challenge.crash.example.test'))?.length === 0,
    );
    await eventually(async () => (await rows()).length === 0);
  });

  it('are removed once the DNS service is up again', async () => {
    const id = await ordered({ type: 'dns-01', domain: 'down.example.test', value: 'stays' });
    named?.freeze();
    await program.database.source.query(`update dns_provider set options = options || '{"port": 1}' where id = $1`, [
      wide,
    ]);
    script.isContent = true;
    const fault = await eventually(async () => {
      named?.thaw();
      const [row] = await program.database.source.query('select fault_detail as detail from challenge');
      return row?.detail as string | undefined;
    });
    expect(fault).toMatch(/127\.0\.0\.1/);
    await program.database.source.query(`update dns_provider set options = options || $2 where id = $1`, [
      wide,
      JSON.stringify({ port: named?.port }),
    ]);
    await eventually(
      async () => (await pastHour()) && (await named?.txt('_acme-challenge.down.example.test'))?.length === 0,
    );
    await issued(id);
  });

  it('fail with a clear reason when no provider has the zone', async () => {
    Object.assign(script, {
      answers: [{ type: 'dns-01', domain: 'www.elsewhere.test', value: 'x' }],
      isContent: false,
    });
    const { id } = await program.ok('POST', '/certificates', {
      owner: 'team@example.com',
      authority: { name: 'prover' },
      commonName: 'www.example.test',
      validityDays: 30,
    });
    const detail = await eventually(async () => {
      const [row] = await program.database.source.query('select fault_detail as d from certificate where id = $1', [
        id,
      ]);
      return row?.d as string | undefined;
    });
    expect(detail).toBe(
      'No DNS provider has a zone for _acme-challenge.www.elsewhere.test: add one under /dns_providers.',
    );
  });
});

describe('DNS providers', () => {
  it("are made and shown in Lemur's form, without their secrets", async () => {
    const requirements = Object.entries({
      server: 'ns.example.net',
      zones: 'example.net, Example.org.',
      keyName: 'k',
      keySecret: 'c2VjcmV0',
    }).map(([name, value]) => ({ name, value }));
    const made = await program.ok('POST', '/dns_providers', {
      name: 'lemur',
      description: 'as before',
      providerType: { name: 'rfc2136', requirements },
    });
    expect(made).toMatchObject({ name: 'lemur', providerType: 'rfc2136', description: 'as before' });
    expect(JSON.stringify(made)).not.toContain('c2VjcmV0');
    expect(made.plugin.secretsSet).toEqual(['keySecret']);
    const { items } = await program.ok('GET', '/dns_provider_options');
    const option = items.find(({ name }: { name: string }) => name === 'rfc2136');
    expect(option.requirements.map(({ name }: { name: string }) => name)).toContain('keySecret');
    const again = await program.ok('PUT', `/dns_providers/${made.id}`, { ...made, name: 'renamed' });
    expect(again).toMatchObject({ name: 'renamed', plugin: { secretsSet: ['keySecret'] } });
    expect((await program.call('POST', '/dns_providers', { name: 'Renamed', plugin: tsig(['a.test']) })).status).toBe(
      409,
    );
    await program.ok('DELETE', `/dns_providers/${made.id}`);
    expect((await program.call('GET', `/dns_providers/${made.id}`)).status).toBe(404);
  });
});

describe('the state of an issuer for its authority', () => {
  it('is created once for simultaneous orders, and is sealed', async () => {
    script.accounts = [];
    await program.database.source.query('delete from authority_state');
    Object.assign(script, { answers: [], isContent: true });
    const requests = ['a', 'b', 'c', 'd'].map((word) =>
      program.ok('POST', '/certificates', {
        owner: 'team@example.com',
        authority: { name: 'prover' },
        commonName: `${word}.example.test`,
        validityDays: 30,
      }),
    );
    await Promise.all(requests);
    await eventually(async () => script.accounts.length >= 4);
    expect(new Set(script.accounts).size).toBe(1);
    const [row] = await program.database.source.query('select sealed_state as bytes from authority_state');
    expect(String(row.bytes)).not.toContain('account of');
  });
});
