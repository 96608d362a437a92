import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Exchange, type Reply, type StandIn, startStandIn } from '../../test/fakes/stand-in.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { contextFor } from '../../test/support/dns-service.js';
import { acmeDns } from './acme-dns.dns.js';

const password = 'Marker-acme-dns-4f6e';
const subdomain = '8e5700ea-a4bf-41c7-8a77-e990661dcc6a';
const value = 'LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0';

describe('acme-dns', () => {
  let standIn: StandIn;
  let shown: string[] = [];
  beforeAll(async () => {
    standIn = await startStandIn(answer);
  });
  afterAll(() => standIn.stop());

  /** The API of acme-dns as its README has it: the two newest values are shown. */
  function answer({ method, path, headers, json }: Exchange): Reply {
    if (method !== 'POST' || path !== '/update') return { status: 404, body: '404 page not found' };
    const isKnown = headers['x-api-user'] === 'user-1' && headers['x-api-key'] === password;
    if (!isKnown) return { status: 401, body: { error: 'forbidden' } };
    const { subdomain: where, txt } = json as Record<string, string>;
    if (where !== subdomain) return { status: 401, body: { error: 'forbidden' } };
    if (!/^[A-Za-z0-9_-]{43}$/.test(txt ?? '')) return { status: 400, body: { error: 'bad_txt' } };
    shown = [...shown, txt ?? ''].slice(-2);
    return { status: 200, body: { txt } };
  }

  const options = (more: object = {}) =>
    acmeDns.options.parse({
      url: 'https://auth.example.org',
      subdomain,
      fullDomain: `${subdomain}.auth.example.org`,
      username: 'user-1',
      password,
      ...more,
    });
  const present = (name: string, text = value, o = options()) =>
    acmeDns.present({ name, value: text, ttlS: 60 }, o, contextFor(standIn));

  it('publishes at the name of the registration alone', async () => {
    const record = await present(`${subdomain}.auth.example.org`);
    expect(shown).toEqual([value]);
    await acmeDns.remove(record, options(), contextFor(standIn));
    expect(await acmeDns.zones?.(options(), contextFor(standIn))).toEqual([`${subdomain}.auth.example.org`]);
    const failure = await failureOf(present('_acme-challenge.www.example.org'), [password]);
    expect(failure).toMatchObject({ fault: 'misconfigured', detail: expect.stringContaining('alone') });
  });

  it('refuses what acme-dns does not take, and tells a wrong password and an outage apart', async () => {
    const name = `${subdomain}.auth.example.org`;
    expect(await failureOf(present(name, 'short'), [password])).toMatchObject({ fault: 'refused' });
    const wrong = options({ password: 'Marker-wrong-4f6e' });
    expect(await failureOf(present(name, value, wrong), ['Marker-wrong-4f6e'])).toMatchObject({
      fault: 'misconfigured',
    });
    standIn.fail({ on: /./, kind: { status: 502, body: '<html>' } });
    expect(await failureOf(present(name), [password])).toMatchObject({ fault: 'unavailable' });
  });
});
