import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { djangoAccount, startDjangoCa } from '../fakes/django-ca.js';
import { DogtagCa } from '../fakes/dogtag-ca.js';
import { sectigoAccount, startSectigo } from '../fakes/sectigo.js';
import type { StandIn } from '../fakes/stand-in.js';
import type { Json } from '../support/json.js';
import { ApiDocument } from '../support/open-api.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { type SigningCa, startSigningCa } from '../support/signing-ca.js';

const owner = 'pki@example.com';
let signing: SigningCa;
let ca: DogtagCa;
let standIn: StandIn;
let program: TestProgram;
let api: ApiDocument;
let id: number;

beforeAll(async () => {
  signing = startSigningCa();
  ca = new DogtagCa(signing);
  standIn = await ca.start();
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  const options = { url: standIn.url, profile: 'tlsManual', username: 'agent', password: 'agent-password' };
  ({ id } = await program.ok('POST', '/authorities', { name: 'outside', owner, plugin: { id: 'dogtag', options } }));
  api = new ApiDocument((await program.call('GET', '/openapi.json')).body);
});
afterAll(async () => {
  await program.stop();
  await standIn.stop();
  signing.close();
});

const order = (commonName: string): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner,
    commonName,
    authority: { id },
    extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: `alt.${commonName}` }] } },
  });
const certificate = (certificateId: number): Promise<Json> => program.ok('GET', `/certificates/${certificateId}`);
/** Asks, and checks that the answer is as the OpenAPI document says. */
async function ask(method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
  const answer = await program.call(method, `/authorities/${id}/${path}`, body);
  const [route = ''] = path.split('?');
  const [kind = '', one] = route.split('/');
  const template = `/api/1/authorities/{id}/${kind}${one === undefined ? '' : `/{${kind.slice(0, -1)}}`}`;
  const operation = api.operations.find((one) => one.method === method.toLowerCase() && one.path === template);
  if (!operation) throw new Error(`Nothing is said of ${method} ${template}.`);
  api.expectDescribed(operation, answer);
  return answer;
}
const eventsOf = (action: string): Promise<Json[]> =>
  program.database.source.query('select actor_name as actor, after from audit_event where action = $1 order by id', [
    action,
  ]);

/** Until no withdrawal is due. */
const allTold = (): Promise<boolean> =>
  eventually(async () => {
    program.clock.advance(600_000);
    const [{ due }] = await program.database.source.query(
      "select count(*)::int as due from withdrawal where state = 'due'",
    );
    return due === 0;
  });
/** The id of a new certificate, which the CA has approved. */
async function issued(commonName: string): Promise<number> {
  const { id: certificateId } = await order(commonName);
  await eventually(async () => (await certificate(certificateId)).lifecycle === 'pending');
  const { items } = (await ask('GET', 'requests?state=pending')).body;
  await ask('PUT', `requests/${items[0].id}`, { action: 'approve' });
  program.clock.advance(61_000);
  await eventually(async () => (await certificate(certificateId)).lifecycle === 'issued');
  return certificateId;
}

describe('the CA of an authority', () => {
  let certificateId: number;

  it('shows the request that an order made there, and an approval issues the certificate', async () => {
    certificateId = (await order('www.example.test')).id;
    await eventually(async () => (await certificate(certificateId)).lifecycle === 'pending');
    expect((await ask('GET', 'requests?state=pending')).body).toMatchObject({
      items: [{ id: '1', type: 'enrolment', state: 'pending', serial: null }],
      next: null,
    });
    expect((await ask('GET', 'requests/1')).body).toMatchObject({
      profile: 'tlsManual',
      csr: expect.stringContaining('CERTIFICATE REQUEST'),
    });
    const decided = await ask('PUT', 'requests/1', { action: 'approve', note: 'Known to us.' });
    expect(decided).toMatchObject({ status: 200, body: { state: 'issued', note: 'Known to us.' } });
    expect(await eventsOf('authority.ca-request-decided')).toMatchObject([
      { actor: 'admin', after: { request: '1', action: 'approve', note: 'Known to us.' } },
    ]);
    program.clock.advance(61_000);
    const issued = await eventually(async () => {
      const one = await certificate(certificateId);
      return one.lifecycle === 'issued' && one;
    });
    expect(issued.serial).toBe(decided.body.serial);
  });

  it('shows the certificates that it holds', async () => {
    const { body } = await ask('GET', 'certificates?status=valid&common_name=WWW.example');
    expect(body).toMatchObject({ total: null, next: null, items: [{ status: 'valid', chain: signing.issuingPem }] });
    const [{ serial }] = body.items;
    expect((await ask('GET', `certificates?serial=${serial}`)).body.items).toEqual(body.items);
    expect((await ask('GET', 'certificates?status=held')).body.items).toEqual([]);
    expect((await ask('GET', 'certificates?count=1&after=1')).body).toMatchObject({ items: [], next: null });
  });

  it('puts a certificate on hold and releases it, and the last of several jobs counts', async () => {
    const told = (action: string): Promise<boolean> => eventually(async () => (await eventsOf(action)).length > 0);
    const listed = async (query: string): Promise<number[]> =>
      (await program.ok('GET', `/certificates?id=${certificateId}&${query}`)).items.map(({ id }: Json) => id);
    /** Since when it is on hold, and the lists of what is and is not. */
    const holding = async (): Promise<unknown[]> => [
      (await program.ok('GET', `/certificates/${certificateId}`)).heldAt,
      await listed('held=true'),
      await listed('held=false'),
    ];
    const statuses = (): string[] => ca.certificates.map(({ status, reason }) => `${status} ${reason}`);
    await program.ok('PUT', `/certificates/${certificateId}/hold`, { comments: 'Being looked into.' });
    await told('certificate.held-at-ca');
    expect(statuses()).toEqual(['REVOKED 6']);
    expect(await holding()).toEqual([expect.any(String), [certificateId], []]);
    await program.ok('PUT', `/certificates/${certificateId}/release`);
    await told('certificate.released-at-ca');
    expect(statuses()).toEqual(['VALID null']);
    expect(await holding()).toEqual([null, [], [certificateId]]);
    await program.ok('PUT', `/certificates/${certificateId}/hold`);
    await allTold();
    ca.isDown = true;
    await program.ok('PUT', `/certificates/${certificateId}/release`);
    await program.ok('PUT', `/certificates/${certificateId}/hold`);
    // What counts is the last wish, although the CA has not heard of it.
    expect(await holding()).toEqual([expect.any(String), [certificateId], []]);
    // Neither has ended: the hold may still fail, and then the release counts.
    await eventually(async () => {
      program.clock.advance(600_000);
      const due = await program.database.source.query(
        "select max(attempts) as attempts, count(*)::int as number from withdrawal where state = 'due'",
      );
      expect(due).toMatchObject([{ number: 2 }]);
      return due[0].attempts >= 4;
    });
    await program.database.source.query(
      `update withdrawal set state = 'given-up', next_attempt_at = null where id = (select max(id) from withdrawal)`,
    );
    expect(await holding()).toEqual([null, [], [certificateId]]);
    expect(statuses()).toEqual(['REVOKED 6']);
    ca.isDown = false;
    await allTold();
    expect(statuses()).toEqual(['VALID null']);
    expect(await eventsOf('certificate.held-at-ca')).toHaveLength(2);
    await program.ok('PUT', `/certificates/${certificateId}/revoke`, { crlReason: 'keyCompromise' });
    await told('certificate.revoked-at-ca');
    expect(statuses()).toEqual(['REVOKED 1']);
    expect((await program.call('PUT', `/certificates/${certificateId}/release`)).status).toBe(409);
  });

  it('puts a certificate on hold although a release is still on its way to it', async () => {
    const held = await issued('hold.example.test');
    const status = (): string => `${ca.certificates.at(-1)?.status} ${ca.certificates.at(-1)?.reason}`;
    const put = (verb: string): Promise<Json> => program.ok('PUT', `/certificates/${held}/${verb}`);
    await put('hold');
    await allTold();
    expect(status()).toBe('REVOKED 6');
    let goOn = (): void => undefined;
    standIn.fail({ on: /unrevoke$/, kind: new Promise((resolve) => (goOn = resolve)) });
    const released = standIn.seen.length;
    await put('release');
    await eventually(async () => standIn.seen.slice(released).some((line) => line.endsWith('unrevoke')));
    await put('hold');
    // The second hold was attempted: it waits for the release, or is done.
    await eventually(async () => {
      const [{ tried }] = await program.database.source.query(
        `select exists (select from withdrawal where id = (select max(id) from withdrawal) and state = 'done')
           or exists (select from job_run where job = 'certificate.withdraw' and outcome = 'postponed') as tried`,
      );
      return tried;
    });
    goOn();
    await allTold();
    expect(status()).toBe('REVOKED 6');
  });

  it('shows its profiles, and enables and disables them', async () => {
    const { body } = await ask('GET', 'profiles?count=2');
    expect(body).toMatchObject({ items: [{ id: 'tlsManual' }, { id: 'tlsAuto' }], next: '2', total: 3 });
    expect((await ask('GET', `profiles?after=${body.next}`)).body.items).toMatchObject([{ id: 'caServerCert' }]);
    expect((await ask('PUT', 'profiles/tlsAuto', { enabled: false })).body).toMatchObject({ enabled: false });
    expect((await ask('GET', 'profiles/tlsAuto')).body).toMatchObject({ enabled: false, needsApproval: false });
    expect((await ask('PUT', 'profiles/tlsAuto', { enabled: true })).body).toMatchObject({ enabled: true });
    expect(await eventsOf('authority.ca-profile-switched')).toHaveLength(2);
  });

  it('answers for missing objects and refused actions with the reason', async () => {
    expect((await ask('GET', 'profiles/nope')).status).toBe(404);
    expect((await ask('GET', 'requests/99')).status).toBe(404);
    expect(await ask('PUT', 'requests/1', { action: 'reject' })).toMatchObject({
      body: { detail: 'The request 1 is issued at the CA.' },
    });
    ca.isDown = true;
    expect((await ask('GET', 'requests')).status).toBe(503);
    ca.isDown = false;
  });
});

describe('the service of a CA', () => {
  /** The path of a new authority. */
  async function authority(plugin: object): Promise<string> {
    const { id: name } = plugin as { id: string };
    const made = await program.ok('POST', '/authorities', { name, owner, chain: signing.issuingPem, plugin });
    return `/authorities/${made.id}`;
  }
  async function asked(method: string, path: string, body?: object): Promise<Json> {
    const answer = await program.call(method, path, body);
    const template = `/api/1${path.replace(/\d+/, '{id}').replace(/\?.*/, '')}`;
    const operation = api.operations.find((one) => one.method === method.toLowerCase() && one.path === template);
    if (!operation) throw new Error(`Nothing is said of ${method} ${template}.`);
    api.expectDescribed(operation, answer);
    return answer.status === 200 ? answer.body : answer;
  }

  it('lets settings be changed, takes back what it shows, and says what cannot be', async () => {
    const fake = await startDjangoCa(signing);
    const options = { url: `${fake.url}/django_ca`, ...djangoAccount };
    const path = `${await authority({ id: 'django-ca', options })}/settings`;
    const before = await asked('GET', path);
    expect(before.options).toMatchObject({ name: 'child', acme_requires_contact: true });
    expect(await asked('PUT', path, before)).toEqual(before);
    const changed = await asked('PUT', path, { options: { website: 'https://ca.example.com' } });
    expect(changed.options).toEqual({ ...before.options, website: 'https://ca.example.com' });
    expect(await eventsOf('authority.ca-settings-changed')).toMatchObject([
      { after: before.options },
      { actor: 'admin', after: { website: 'https://ca.example.com' } },
    ]);
    const refused = await asked('PUT', path, { options: { enabled: false, website: 'x' } });
    expect([refused.status, Object.keys(refused.body.reasons).sort()]).toEqual([
      400,
      ['options.enabled', 'options.website'],
    ]);
    await fake.stop();
  });

  it('shows organizations and persons, and is told of a new person once', async () => {
    const fake = await startSectigo(signing);
    const { clientId, clientSecret } = sectigoAccount;
    const urls = { baseUrl: `${fake.url}/api`, oauthUrl: `${fake.url}/token` };
    const options = { ...urls, organizationId: 8, profileId: 21, clientId, clientSecret };
    const path = await authority({ id: 'sectigo', options });
    expect(await asked('GET', `${path}/organizations`)).toMatchObject({
      items: [
        { id: '7', parentId: null },
        { id: '8', name: 'Web', parentId: '7' },
      ],
      total: 2,
    });
    const person = { email: 'alice@example.com', firstName: 'Alice', lastName: 'Example', organizationId: '8' };
    const headers = { 'idempotency-key': 'alice' };
    const made = (await program.call('POST', `${path}/persons`, person, { headers })).body;
    expect((await program.call('POST', `${path}/persons`, person, { headers })).body).toEqual(made);
    expect(fake.persons).toHaveLength(1);
    expect(made).toMatchObject({ ...person, id: expect.stringMatching(/^\d+$/), phone: null });
    expect((await asked('GET', `${path}/persons?email=alice@example.com`)).items).toEqual([made]);
    expect(await eventsOf('authority.ca-person-created')).toMatchObject([{ actor: 'admin', after: person }]);
    expect((await asked('POST', `${path}/persons`, person)).body.detail).toContain('exists already');
    expect((await program.call('GET', `${path}/settings`)).body.detail).toContain('does not show the settings');
    expect((await asked('GET', `${path}/profiles`)).items).toContainEqual(
      expect.objectContaining({ id: '21', name: 'OV SSL', enabled: null }),
    );
    expect((await program.call('GET', `${path}/profiles/21`)).body.detail).toContain('shows no more of them');
    const disabled = await program.call('PUT', `${path}/profiles/21`, { enabled: false });
    expect([disabled.status, disabled.body.detail]).toEqual([400, expect.stringContaining('lets nobody disable')]);
    await fake.stop();
  });
});
