import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash, X509Certificate } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importLemur } from '../../src/lemur-import/import-lemur.js';
import type { Report } from '../../src/lemur-import/report.js';
import type { Get } from '../../src/lemur-import/run.js';
import { systemActor } from '../../src/platform/http/actor.js';
import {
  fernetKey,
  fernetSeal,
  inDays,
  LemurFixture,
  lemurHash,
  type MadeCertificate,
  makeCertificate,
  options,
  strayKey,
} from '../support/lemur-database.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import type { Json } from '../support/json.js';
import { execFileSync } from '../support/sync-programs.js';

const tokenSecret = 'the-secret-with-which-lemur-signed-its-tokens';
const leaves = 300;
const revokedAt = inDays(-3);
let lemur: LemurFixture;
let program: TestProgram;
let root: MadeCertificate;
const made = new Map<string, MadeCertificate>();
const ids: Record<string, number> = {};

const run = (
  dryRun = false,
  fernetKeys: readonly string[] = [fernetKey],
  advance = (): void => undefined,
): Promise<Report> => {
  const get: Get = (service) => program.perennial.app.get(service, { strict: false });
  return importLemur({
    databaseUrl: lemur.database.url.replace(/^postgres(ql)?:/, 'postgresql+psycopg2:'),
    fernetKeys,
    dryRun,
    actor: systemActor('test'),
    get,
    begin: () => undefined,
    advance,
  });
};
/** A certificate whose key is on this curve, by openssl. */
function selfSigned(commonName: string, curve: string, ...more: string[]): { body: string; privateKey: string } {
  const folder = mkdtempSync(join(tmpdir(), 'curve-'));
  const openssl = (...args: string[]): string => execFileSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-out', 'key.pem');
  const body = openssl('req', '-x509', '-new', '-key', 'key.pem', '-days', '80', '-subj', `/CN=${commonName}`, ...more);
  const privateKey = readFileSync(join(folder, 'key.pem'), 'utf8');
  rmSync(folder, { recursive: true });
  return { body, privateKey };
}
const named = async (name: string): Promise<Json> =>
  (
    await program.ok('GET', `/certificates?filter=name;${encodeURIComponent(name)}&showExpired=1&count=100&chain=true`)
  ).items.find((item: { name: string }) => item.name === name);
const texts = (report: Report, name: string): string[] =>
  report.notes.filter((note) => note.name === name).map(({ kind, text }) => `${kind}: ${text}`);
const rows = <Row>(sql: string, values: unknown[] = []): Promise<Row[]> =>
  program.database.source.query<Row[]>(sql, values);

async function fillPeople(): Promise<void> {
  const password = await lemurHash('Old-Password-12!');
  for (const [id, username, email, active, hash] of [
    [1, 'lemur', 'lemur@nobody.example', true, password],
    [2, 'joe', 'Joe@A.example', true, password],
    [3, 'jane', 'jane@a.example', false, password],
    [4, 'admin', 'someone@else.example', true, password],
    [5, 'careless', 'careless@a.example', true, 'clear text'],
  ] as const)
    await lemur.add('users', { id, username, email, active, password: hash });
  const roles = [
    'admin',
    'operator',
    'read-only',
    'joe@a.example',
    'JOE@a.example',
    'creator',
    'db-team',
    'group',
    'Root_admin',
    'joe@b.example',
    'auditor',
  ];
  for (const [i, name] of roles.entries())
    await lemur.add('roles', {
      id: i + 1,
      name,
      third_party: name === 'group',
      ...(name === 'group' && { description: `our key: ${strayKey()}` }),
      ...(name === 'db-team' && { username: 'dba', password: fernetSeal('tiger') }),
    });
  for (const [user_id, role_id] of [
    [1, 1],
    [2, 4],
    [2, 7],
    [3, 4],
    [4, 6],
  ] as const)
    await lemur.link('roles_users', { user_id, role_id });
  for (const [id, user_id, ttl, revoked] of [
    [1, 2, -1, false],
    [2, 2, -1, true],
    [3, 3, -1, false],
    [4, 2, 10, false],
  ] as const) {
    await lemur.add('api_keys', {
      id,
      name: `key ${id}`,
      user_id,
      ttl,
      issued_at: Math.floor(inDays(-20).getTime() / 1000),
      revoked,
    });
  }
}

async function fillSettings(): Promise<void> {
  for (const [name, days] of [
    ['default', 30],
    ['slow', 60],
    ['slow', 60],
    ['slow', 90],
  ] as const)
    await lemur.add('rotation_policies', { name, days });
  const mail = (interval: number, recipients: string): object[] => options({ interval, unit: 'days', recipients });
  for (const [label, plugin_name, given] of [
    ['DEFAULT_JOE_30_DAY', 'email-notification', mail(30, 'joe@a.example')],
    ['DEFAULT_JOE_2_DAY', 'email-notification', mail(2, 'joe@a.example')],
    ['DEFAULT_SECURITY_15_DAY', 'email-notification', mail(15, 'sec@a.example')],
    ['chat', 'slack-notification', options({ webhook: 'https://hooks.example/T0PSECRET', interval: 10 })],
    ['muted', 'email-notification', mail(20, 'ops@a.example')],
  ] as const)
    ids[label] = await lemur.add('notifications', {
      label,
      plugin_name,
      active: label !== 'muted',
      options: JSON.stringify(given),
    });
  ids.aws = await lemur.add('destinations', {
    label: 'prod',
    plugin_name: 'aws-destination',
    options: options({ accountNumber: '123456789012', path: '/' }),
  });
  ids.twin = await lemur.add('destinations', {
    label: 'PROD',
    plugin_name: 'aws-destination',
    options: options({ accountNumber: '210987654321' }),
  });
  ids.adcs = await lemur.add('destinations', {
    label: 'somewhere',
    plugin_name: 'no-such-destination',
    options: options({ host: 'h.example', password: 'hush-hush' }),
  });
  const cluster = { kubernetesURL: 'https://k8s.example.com', kubernetesNamespace: 'web', secretNameFormat: 'x' };
  await lemur.add('destinations', {
    label: 'cluster',
    plugin_name: 'kubernetes-destination',
    options: options({ ...cluster, kubernetesAuthToken: 'T0PSECRET-of-a-cluster', secretFormat: 'TLS' }),
  });
  await lemur.add('destinations', {
    label: 'other cluster',
    plugin_name: 'kubernetes-destination',
    options: options({ ...cluster, kubernetesAuthToken: 'T0PSECRET-of-a-cluster', secretFormat: 'Full' }),
  });
  ids.source = await lemur.add('sources', {
    label: 'prod',
    plugin_name: 'aws-source',
    active: true,
    options: options({ accountNumber: '123456789012' }),
  });
  for (const [name, sensitive] of [
    ['Www.Secret.example', false],
    ['www.secret.example', true],
    ['www.secret.example', false],
  ] as const)
    await lemur.add('domains', { name, sensitive });
  await lemur.add('dns_providers', { name: 'route', provider_type: 'route53', credentials: fernetSeal('{}') });
}

async function fillAuthorities(): Promise<void> {
  root = await makeCertificate('Lemur Root', null, inDays(-400), inDays(3000), true);
  const sub = await makeCertificate('Lemur Issuing', root, inDays(-300), inDays(2000), true);
  const remote = await makeCertificate('Remote CA', null, inDays(-300), inDays(2000), true);
  const keyless = await makeCertificate('Keyless CA', null, inDays(-300), inDays(2000), true);
  made.set('Issuing', sub);
  // The lower CA comes first, so that its parent is not there yet.
  const authority = (name: string, plugin_name: string, given: unknown = null): Promise<number> =>
    lemur.add('authorities', {
      name,
      owner: 'PKI@a.example',
      plugin_name,
      active: true,
      user_id: 1,
      options: JSON.stringify(given),
    });
  ids.Issuing = await authority('Issuing', 'cryptography-issuer', JSON.stringify(options({ cab_compliant: false })));
  ids.Root = await authority('Root', 'cryptography-issuer');
  ids.Remote = await authority('Remote', 'digicert-issuer', options({ profile: 'x', api_key: 'hush-hush' }));
  ids.Keyless = await authority('Keyless', 'cryptography-issuer');
  ids.Broken = await authority('Broken', 'acme-issuer');
  await lemur.link('roles_authorities', { authority_id: ids.Root ?? 0, role_id: 9 });
  const ca = { owner: 'pki@a.example', user_id: 1, rotation: false };
  await lemur.certificate(sub, 'LemurIssuing', {
    ...ca,
    chain: '',
    root_authority_id: ids.Issuing,
    authority_id: ids.Root,
  });
  ids.rootCertificate = await lemur.certificate(root, 'LemurRoot', { ...ca, root_authority_id: ids.Root });
  await lemur.certificate(remote, 'RemoteCA', { ...ca, root_authority_id: ids.Remote, private_key: null });
  await lemur.certificate(keyless, 'KeylessCA', {
    ...ca,
    root_authority_id: ids.Keyless,
    private_key: fernetSeal(strayKey()),
  });
}

async function leaf(name: string, days: readonly [number, number], row: Record<string, unknown> = {}): Promise<number> {
  const issuer = made.get('Issuing') as MadeCertificate;
  const one = await makeCertificate(name, issuer, inDays(days[0]), inDays(days[1]));
  made.set(name, one);
  const id = await lemur.certificate(one, name, {
    owner: 'Joe@a.example',
    user_id: 2,
    authority_id: ids.Issuing,
    chain: issuer.body,
    rotation_policy_id: 1,
    ...row,
  });
  ids[name] = id;
  await lemur.link('roles_certificates', { certificate_id: id, role_id: 5 });
  return id;
}

async function fillSpecial(): Promise<void> {
  const notified = async (id: number, ...labels: string[]): Promise<void> => {
    for (const label of labels)
      await lemur.link('certificate_notification_associations', {
        certificate_id: id,
        notification_id: ids[label] ?? 0,
      });
  };
  await notified(await leaf('plain.example', [-50, 20]), 'DEFAULT_JOE_30_DAY', 'DEFAULT_JOE_2_DAY');
  await notified(
    await leaf('other.example', [-50, 20], { owner: 'joe@b.example' }),
    'DEFAULT_JOE_30_DAY',
    'DEFAULT_SECURITY_15_DAY',
  );
  await notified(await leaf('chatty.example', [-50, 300]), 'chat');
  await notified(await leaf('muted.example', [-50, 300]), 'muted');
  await notified(await leaf('last.example', [-50, 1]), 'DEFAULT_JOE_30_DAY', 'DEFAULT_JOE_2_DAY');
  await leaf('due.example', [-60, 10], { rotation: true });
  await leaf('ended.example', [-90, -1], { rotation: true });
  await leaf('revoked.example', [-10, 80], { status: 'revoked' });
  await lemur.add('logs', {
    certificate_id: ids['revoked.example'],
    log_type: 'revoke_cert',
    logged_at: revokedAt.toISOString().slice(0, -1),
    user_id: 1,
  });
  await leaf('deleted.example', [-10, 80], { deleted: true });
  await leaf('old.example', [-80, 12], { rotation: true, notify: false });
  await leaf('new.example', [-10, 80]);
  await lemur.link('certificate_replacement_associations', {
    replaced_certificate_id: ids['old.example'] ?? 0,
    certificate_id: ids['new.example'] ?? 0,
  });
  await leaf('served.example', [-80, 12], { notify: false });
  await lemur.link('certificate_replacement_associations', {
    replaced_certificate_id: ids['served.example'] ?? 0,
    certificate_id: ids['new.example'] ?? 0,
  });
  await lemur.add('endpoints', {
    name: 'elb',
    dnsname: 'elb.example',
    port: 443,
    certificate_id: ids['served.example'],
  });
  await leaf('www.secret.example', [-60, 300], { rotation: true });
  await leaf('wrong-key.example', [-10, 80], { private_key: fernetSeal(strayKey()) });
  await leaf('sealed-otherwise.example', [-10, 80], {
    private_key: fernetSeal('x', `${Buffer.alloc(32, 7).toString('base64url')}=`),
  });
  await leaf('wrong-chain.example', [-10, 80], { chain: root.body });
  await leaf('remote.example', [-10, 80], { authority_id: ids.Remote, rotation: true });
  const keyless = await leaf('first-without-key.example', [-10, 80], { private_key: null });
  ids['second-with-key'] = await lemur.certificate(
    made.get('first-without-key.example') as MadeCertificate,
    'second-with-key',
    {
      owner: 'joe@a.example',
      chain: null,
    },
  );
  await lemur.add('certificates', {
    name: 'garbage',
    owner: 'joe@a.example',
    body: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    private_key: fernetSeal('x'),
  });
  for (const destination of ['aws', 'adcs'])
    await lemur.link('certificate_destination_associations', {
      certificate_id: ids['plain.example'] ?? 0,
      destination_id: ids[destination] ?? 0,
    });
  await lemur.link('certificate_destination_associations', {
    certificate_id: ids['revoked.example'] ?? 0,
    destination_id: ids.aws ?? 0,
  });
  await lemur.link('certificate_source_associations', { certificate_id: keyless, source_id: ids.source ?? 0 });
  await lemur.add('pending_certs', {
    name: 'coming.example',
    cn: 'coming.example',
    owner: 'joe@a.example',
    csr: '',
    resolved: false,
    private_key: fernetSeal('x'),
  });
}

beforeAll(async () => {
  lemur = await LemurFixture.create();
  await fillPeople();
  await fillSettings();
  await fillAuthorities();
  await fillSpecial();
  for (let i = 0; i < leaves; i += 1)
    await leaf(`host-${i}.example`, [-200, 30 + i], { rotation: i % 2 === 0, rotation_policy_id: (i % 4) + 1 });
  program = await startProgram({ TOKEN_SECRETS: tokenSecret });
});

afterAll(async () => {
  await program.stop();
  await lemur.database.drop();
});

describe('an import from Lemur', () => {
  let rehearsed: Report;
  let first: Report;
  it('reports in a dry run what it would do, and changes nothing', async () => {
    const before = await rows(
      `select (select count(*) from certificate) c, (select count(*) from role) r, (select count(*)
        from legacy_row) l, (select count(*) from audit_event) a`,
    );
    rehearsed = await run(true);
    expect(
      await rows(
        `select (select count(*) from certificate) c, (select count(*) from role) r, (select count(*)
          from legacy_row) l, (select count(*) from audit_event) a`,
      ),
    ).toEqual(before);
    expect(rehearsed.tables.get('certificates')).toMatchObject({ imported: leaves + 18, merged: 1, left: 1 });
  });

  it('refuses keys that open nothing, and databases that are not from Lemur', async () => {
    await expect(run(false, [`${Buffer.alloc(32).toString('base64url')}=`])).rejects.toThrow(
      'None of the Fernet keys opens',
    );
    await expect(
      importLemur({
        databaseUrl: program.database.url,
        fernetKeys: [fernetKey],
        dryRun: true,
        actor: systemActor('test'),
        get: () => {
          throw new Error('unused');
        },
        begin: () => undefined,
        advance: () => undefined,
      }),
    ).rejects.toThrow('That is not a Lemur database');
  });

  it('does what the dry run reported, and reports what is lost, left and changed', async () => {
    first = await run();
    const comparable = ({ tables, notes, totals }: Report): unknown => ({ tables: [...tables], notes, totals });
    expect(comparable(first)).toEqual(comparable(rehearsed));
    expect(texts(first, 'cluster')[0]).toMatch(/^changed: Its CA certificates stood in files/);
    expect(texts(first, 'other cluster')[0]).toMatch(/^left: Its secrets have the format Full/);
    expect(texts(first, 'wrong-key.example')).toEqual([
      'fault: It was imported without its key: It belongs to another certificate.',
    ]);
    expect(texts(first, 'sealed-otherwise.example')).toEqual([
      'fault: It was imported without its key: None of the Fernet keys opens it.',
    ]);
    expect(texts(first, 'garbage')[0]).toMatch(/^fault: It cannot be read and was not imported/);
    expect(texts(first, 'second-with-key')).toEqual([
      'changed: This certificate exists as first-without-key.example; missing parts were added to it.',
    ]);
    expect(texts(first, 'coming.example')[0]).toMatch(/^fault: It is on order/);
    expect(texts(first, 'Remote')[0]).toMatch(/^left: It is inactive until its issuer is set up/);
    expect(texts(first, 'Keyless')).toContain('fault: The key of the CA is lost: It belongs to another certificate.');
    expect(texts(first, 'Broken')[0]).toMatch(/^fault: Its CA certificate cannot be read/);
    expect(texts(first, 'careless')[0]).toMatch(/^changed: Its password is not stored as a hash/);
    expect(texts(first, 'creator')).toContain('changed: Its name is reserved here; it was renamed to lemur-creator.');
    expect(texts(first, 'auditor')).toContain('changed: Its name is reserved here; it was renamed to lemur-auditor.');
    expect(JSON.stringify(first)).not.toMatch(/hush-hush|T0PSECRET|PRIVATE KEY|tiger|clear text/);
  });

  it('changes nothing when it is repeated', async () => {
    const count =
      'select (select count(*) from certificate) c, (select count(*) from delivery) d, (select count(*) ' +
      'from subscription) n, (select count(*) from role) r, (select count(*) from app_user) u';
    const before = await rows(count);
    const again = await run();
    expect(await rows(count)).toEqual(before);
    // Two came without their keys, which may open another time.
    expect(again.tables.get('certificates')).toMatchObject({
      imported: 0,
      merged: 0,
      updated: 2,
      unchanged: leaves + 17,
    });
  });

  it('lists the new id of each Lemur certificate, in the order of Lemur', async () => {
    const plain = await named('plain.example');
    expect(plain.lemurId).toBe(ids['plain.example']);
    const { items } = await program.ok('GET', `/certificates?filter=lemurId;${plain.lemurId}&showExpired=1`);
    expect(items.map(({ id }: { id: number }) => id)).toEqual([plain.id]);
    // Two rows of one certificate are one here, which is found by both.
    const merged = await program.ok(
      'GET',
      `/certificates?filter=lemur_id;${ids['second-with-key'] ?? 0}&showExpired=1`,
    );
    expect(merged.items).toMatchObject([{ name: 'first-without-key.example' }]);
    const inOrder = await rows<{ lemur: number }>('select lemur_id as lemur from certificate order by id');
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a.lemur - b.lemur));
  });

  it('grants no right that Lemur did not grant, no label twice, and no option that is not set', async () => {
    const names = await rows<{ name: string }>(`select r.name from user_role u join role r on r.id = u.role_id`);
    expect(names.filter(({ name }) => name === 'operator')).toEqual([]);
    expect(await rows(`select 1 from role where name = 'lemur-operator'`)).toHaveLength(1);
    expect(await rows('select lower(label) from subscription group by 1 having count(*) > 1')).toEqual([]);
    expect(await rows(`select name from authority where is_cn_optional`)).toEqual([]);
  });

  it('lets people sign in with their old passwords, and replaces the hashes', async () => {
    const token = await program.login('joe', 'Old-Password-12!');
    const me = (await program.call('GET', '/auth/me', undefined, { token })).body;
    expect(me.email).toBe('joe@a.example');
    expect(me.roles.map((role: { name: string }) => role.name).sort()).toEqual(['db-team', 'joe@a.example']);
    expect(
      await rows(`select password_hash like '$argon2id$%' as strong from app_user where username = 'joe'`),
    ).toEqual([{ strong: true }]);
    for (const [who, password] of [
      ['jane', 'Old-Password-12!'],
      ['careless', 'clear text'],
      ['admin', 'Old-Password-12!'],
    ] as const)
      await expect(program.login(who, password)).rejects.toThrow();
    expect(await program.login('admin-lemur', 'Old-Password-12!')).toBeTruthy();
  });

  it('keeps valid API keys of Lemur valid, and no others', async () => {
    const use = async (aid: number, sub: number, secret = tokenSecret): Promise<number> =>
      (
        await program.call('GET', '/auth/me', undefined, {
          token: jwt.sign({ iat: 1, sub, aid }, secret, { noTimestamp: true }),
        })
      ).status;
    expect(await use(1, 2)).toBe(200);
    expect(
      await Promise.all([
        use(2, 2),
        use(3, 3),
        use(4, 2),
        use(1, 1),
        use(9, 2),
        use(1, 2, 'another-secret-of-at-least-32-characters'),
      ]),
    ).toEqual([401, 401, 401, 401, 401, 401]);
  });

  it('removes a private key from a description, and reports it', async () => {
    const { items } = await program.ok('GET', '/roles?filter=name;group');
    expect(items[0].description).toBe('(removed: it contained a private key)');
    const noted = (await run(true)).notes.filter(({ text }) => text.includes('contained a private key'));
    expect(noted).toEqual([expect.objectContaining({ kind: 'changed', table: 'roles', id: 8 })]);
  });

  it('keeps roles with their stored credentials', async () => {
    const role = (await program.ok('GET', '/roles?filter=name;db-team')).items[0];
    expect(await program.ok('GET', `/roles/${role.id}/credentials`)).toEqual({ username: 'dba', password: 'tiger' });
    expect(
      await rows(
        `select name, third_party, permissions from role where name in ('group', 'joe@a.example', 'JOE@a.example')
          order by name`,
      ),
    ).toEqual([
      { name: 'group', third_party: true, permissions: [] },
      { name: 'joe@a.example', third_party: false, permissions: ['key:read'] },
    ]);
  });

  it('lets the users of Lemur who could export a key export it', async () => {
    const token = await program.login('joe', 'Old-Password-12!');
    const { id, owner, serial } = await named('plain.example');
    expect(owner).toBe('joe@a.example');
    const one = made.get('plain.example') as MadeCertificate;
    expect(BigInt(serial)).toBe(BigInt(`0x${one.certificate.serialNumber}`));
    const { body } = await program.call('GET', `/certificates/${id}/key`, undefined, { token });
    expect(
      new X509Certificate(one.body).checkPrivateKey((await import('node:crypto')).createPrivateKey(body.key)),
    ).toBe(true);
    const merged = await named('first-without-key.example');
    expect((await program.call('GET', `/certificates/${merged.id}/key`)).status).toBe(200);
    const { id: keyless } = await named('wrong-key.example');
    expect((await program.call('GET', `/certificates/${keyless}/key`)).body).toEqual({ key: null });
  });

  it('seals CA keys so that no export has them, and issues with them', async () => {
    expect(await named('LemurRoot')).toBeUndefined();
    const authorities = await rows<{
      name: string;
      active: boolean;
      plugin: string;
      parent: string | null;
      keyed: boolean;
    }>(
      `select a.name, a.active, a.plugin_id as plugin, p.name as parent, a.key_id is not null as keyed
        from authority a left join authority p on p.id = a.parent_id order by a.name`,
    );
    expect(authorities).toEqual([
      { name: 'Issuing', active: true, plugin: 'local-ca', parent: 'Root', keyed: true },
      { name: 'Keyless', active: false, plugin: 'local-ca', parent: null, keyed: false },
      { name: 'Remote', active: false, plugin: 'digicert-issuer', parent: null, keyed: false },
      { name: 'Root', active: true, plugin: 'local-ca', parent: null, keyed: true },
    ]);
    const issued = await program.ok('POST', '/certificates', {
      authority: { name: 'Issuing' },
      commonName: 'fresh.example',
      owner: 'joe@a.example',
    });
    expect(
      new X509Certificate(issued.body).verify(
        new X509Certificate((made.get('Issuing') as MadeCertificate).body).publicKey,
      ),
    ).toBe(true);
    expect(
      (await program.ok('GET', '/authorities?count=100')).items.map((item: { name: string }) => item.name),
    ).toHaveLength(4);
  });

  it('keeps lifecycle states, chains and replacements', async () => {
    expect(await named('revoked.example')).toMatchObject({ lifecycle: 'revoked' });
    expect(await rows(`select revoked_at as at from certificate where name = 'revoked.example'`)).toEqual([
      { at: revokedAt },
    ]);
    expect(
      await rows(`select deleted_at is not null as deleted, notify from certificate where name = 'deleted.example'`),
    ).toEqual([{ deleted: true, notify: false }]);
    expect((await named('wrong-chain.example')).chain).toContain(
      (made.get('Issuing') as MadeCertificate).body.slice(28, 90),
    );
    expect(
      await rows(
        `select o.name from certificate_replacement r join certificate n on n.id = r.certificate_id
          join certificate o on o.id = r.replaced_id where n.name = 'new.example' order by 1`,
      ),
    ).toEqual([{ name: 'old.example' }, { name: 'served.example' }]);
  });

  it('sends no notice twice, forgets no certificate that is served, and sends the next notice', async () => {
    const facts = (name: string): Promise<unknown> =>
      rows(
        `select notify, (select at from next_notice where certificate_id = c.id), not_after as "notAfter",
          (select json_agg(n.label order by n.label)
          from subscription n where n.built_in and c.hears_defaults and (n.scope = 'all' or n.owner = lower(c.owner))
            or exists (select from certificate_subscription l
              where l.certificate_id = c.id and l.subscription_id = n.id)) as labels
       from certificate c where name = $1`,
        [name],
      );
    const notAfter = (name: string): Date => (made.get(name) as MadeCertificate).certificate.notAfter;
    const before = (name: string, days: number): Date => new Date(notAfter(name).getTime() - days * 86_400_000);
    expect(await facts('plain.example')).toEqual([
      {
        notify: true,
        at: before('plain.example', 2),
        notAfter: notAfter('plain.example'),
        labels: ['DEFAULT_JOE@A.EXAMPLE_2_DAY', 'DEFAULT_JOE@A.EXAMPLE_30_DAY'],
      },
    ]);
    expect(await facts('other.example')).toEqual([
      {
        notify: true,
        at: before('other.example', 15),
        notAfter: notAfter('other.example'),
        labels: ['DEFAULT_JOE@B.EXAMPLE_30_DAY', 'DEFAULT_SECURITY_15_DAY'],
      },
    ]);
    expect(await facts('chatty.example')).toMatchObject([
      {
        notify: true,
        labels: ['DEFAULT_JOE@A.EXAMPLE_15_DAY', 'DEFAULT_JOE@A.EXAMPLE_2_DAY', 'DEFAULT_JOE@A.EXAMPLE_30_DAY'],
      },
    ]);
    expect(await facts('muted.example')).toMatchObject([
      {
        at: before('muted.example', 30),
        labels: [
          'DEFAULT_JOE@A.EXAMPLE_15_DAY',
          'DEFAULT_JOE@A.EXAMPLE_2_DAY',
          'DEFAULT_JOE@A.EXAMPLE_30_DAY',
          'muted',
        ],
      },
    ]);
    expect(await facts('old.example')).toMatchObject([{ notify: false, at: null }]);
    expect(await facts('served.example')).toMatchObject([{ notify: true }]);
    // One that ends tomorrow is spoken of once more; nothing else is.
    await eventually(
      async () =>
        (
          await rows(
            `select 1 from notice n join certificate c on c.id = n.certificate_id
              where c.name = 'last.example' and n.event = 'certificate.expiring' and n.attempts = 0 and n.state = 'sent'
              and n.data::text is not null`,
          )
        ).length === 2,
    );
    const mails = await rows<{ subject: string; text: string }>('select subject, text from mail order by id');
    expect(mails).toHaveLength(1);
    expect(mails[0]?.text).toContain('last.example');
  });

  it('delivers nothing again, and spreads renewals', async () => {
    expect(
      await rows(
        `select d.label, l.state, l.location from delivery l join certificate c on c.id = l.certificate_id
          join destination d on d.id = l.destination_id where c.name = 'plain.example'`,
      ),
    ).toEqual([{ label: 'prod', state: 'delivered', location: '/plain.example' }]);
    expect(
      await rows(
        `select c.name, l.next_attempt_at from delivery l join certificate c on c.id = l.certificate_id
          where l.state = 'delivered' and c.state = 'issued' and c.not_after > $1
            and not coalesce(l.next_attempt_at < $1 + interval '1 day', false)`,
        [program.clock.now()],
      ),
    ).toEqual([]);
    expect(await rows(`select label, plugin_id as plugin from destination order by id`)).toEqual([
      { label: 'prod', plugin: 'aws-iam' },
      { label: 'PROD-2', plugin: 'aws-iam' },
      { label: 'cluster', plugin: 'kubernetes' },
    ]);
    expect(await rows(`select label, active, owner, plugin_id as plugin from source`)).toEqual([
      { label: 'prod', active: false, owner: 'lemur@nobody.example', plugin: 'aws-iam-source' },
    ]);
    expect(await rows(`select 1 from outbox where job like 'deploy%'`)).toEqual([]);
    const soon = new Date(program.clock.now().getTime() + 20 * 3_600_000);
    expect(
      await rows(
        `select name from certificate where next_renewal_at < $1 and renews_id is null and name not like 'fresh%'`,
        [soon],
      ),
    ).toEqual([]);
    expect(
      await rows(
        `select renewal_reason as reason, next_renewal_at as at from certificate
          where name in ('ended.example', 'old.example') order by name`,
      ),
    ).toEqual([
      { reason: 'policy', at: null },
      { reason: 'replaced', at: null },
    ]);
    expect(first.renewals.map(({ name }) => name)).toContain('due.example');
    expect(first.renewalCount).toBeGreaterThan(5);
  });

  it('renews imported certificates when they are due, even for names that the policy reserves', async () => {
    expect(await rows(`select name from domain where sensitive`)).toEqual([{ name: 'www.secret.example' }]);
    const { id } = await named('due.example');
    expect((await program.ok('GET', `/certificates/${id}/plan`)).willRenew).toBe(true);
    program.clock.advance(9 * 86_400_000);
    const successor = await eventually(
      async () =>
        (
          await rows<{ state: string; authority: string }>(
            `select n.state, a.name as authority from certificate n join certificate o on o.id = n.renews_id
              join authority a on a.id = n.authority_id where o.name = 'due.example'`,
          )
        )[0],
    );
    expect(successor).toEqual({ state: 'issued', authority: 'Issuing' });
  });

  it('imports new rows and changes when it is repeated', async () => {
    await lemur.source.query(`update certificates set status = 'revoked' where name = 'host-7.example'`);
    await lemur.source.query(`update certificates set private_key = $1 where name = 'wrong-key.example'`, [
      fernetSeal(made.get('wrong-key.example')?.privateKey ?? ''),
    ]);
    await lemur.source.query(`update users set active = false where username = 'joe'`);
    await leaf('late.example', [-1, 80]);
    // Deleted, and replaced by one that came later: Lemur switches the warnings of that one off.
    await lemur.source.query(`update certificates set deleted = true where name = 'host-9.example'`);
    await leaf('instead.example', [-1, 80]);
    await lemur.link('certificate_replacement_associations', {
      certificate_id: ids['instead.example'] ?? 0,
      replaced_certificate_id: ids['host-11.example'] ?? 0,
    });
    await lemur.source.query(`update certificates set notify = false where name = 'host-11.example'`);
    const whole = await makeCertificate(
      'whole.example',
      made.get('Issuing') as MadeCertificate,
      inDays(-1),
      inDays(80),
    );
    const issuer = (made.get('Issuing') as MadeCertificate).body;
    await lemur.certificate(whole, 'whole.example', {
      owner: 'joe@a.example',
      authority_id: ids.Issuing,
      body: whole.body + issuer,
      chain: '',
    });
    const koblitz = selfSigned('koblitz.example', 'secp256k1');
    await lemur.certificate(whole, 'koblitz.example', {
      owner: 'joe@a.example',
      authority_id: ids.Issuing,
      rotation: true,
      body: koblitz.body,
      private_key: fernetSeal(koblitz.privateKey),
      chain: '',
    });
    // 10.0.0.0/8, as Lemur makes it of its IPNetwork.
    const addresses = selfSigned('network.example', 'P-256', '-addext', '2.5.29.17=DER:300a87080a000000ff000000');
    await lemur.certificate(whole, 'network.example', {
      owner: 'joe@a.example',
      authority_id: ids.Issuing,
      rotation: true,
      body: addresses.body,
      private_key: fernetSeal(addresses.privateKey),
      chain: '',
    });
    const later = await run();
    expect(later.tables.get('certificates')).toMatchObject({ imported: 5, updated: 5 });
    expect(texts(later, 'network.example')).toEqual([
      'changed: A renewal omits names of types that are not issued here: ipNetwork 10.0.0.0/8.',
    ]);
    const network = await named('network.example');
    expect((await program.ok('GET', `/certificates/${network.id}`)).extensions.subAltNames.names).toEqual([
      { nameType: 'IPNetwork', value: '10.0.0.0/8' },
    ]);
    const silenced = `select name, notify, next_renewal_at is null as silent, deleted_at is not null as deleted
      from certificate where name in ('host-9.example', 'host-11.example') order by name`;
    expect(await rows(silenced)).toEqual([
      { name: 'host-11.example', notify: false, silent: true, deleted: false },
      { name: 'host-9.example', notify: false, silent: true, deleted: true },
    ]);
    expect(await named('whole.example')).toMatchObject({ hasPrivateKey: true });
    const { id } = await named('whole.example');
    expect((await program.ok('GET', `/certificates/${id}`)).chain.trim()).toBe(issuer.trim());
    expect(texts(later, 'koblitz.example')).toEqual([
      expect.stringMatching(/^changed: It is not renewed automatically: keys of type \S+ cannot be generated here/),
    ]);
    const odd = await named('koblitz.example');
    expect(await program.ok('GET', `/certificates/${odd.id}/plan`)).toMatchObject({
      willRenew: false,
      at: null,
      text: expect.stringContaining('Keys of its type cannot be generated here'),
    });
    expect(await program.call('POST', `/certificates/${odd.id}/reissue`)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('Keys of its type cannot be generated here') },
    });
    expect(await named('late.example')).toMatchObject({ lifecycle: 'issued' });
    expect(await named('host-7.example')).toMatchObject({ lifecycle: 'revoked' });
    expect((await program.call('GET', `/certificates/${(await named('wrong-key.example')).id}/key`)).status).toBe(200);
    await expect(program.login('joe', 'Old-Password-12!')).rejects.toThrow();
    const digest = createHash('sha256')
      .update(new X509Certificate((made.get('late.example') as MadeCertificate).body).raw)
      .digest('hex');
    expect(await rows(`select name from certificate where sha256 = $1`, [digest])).toEqual([{ name: 'late.example' }]);
  });

  it('removes certificates from destinations whether revoked before or after the first import', async () => {
    const states = () =>
      rows<{ name: string; state: string }>(
        `select c.name, l.state from delivery l join certificate c on c.id = l.certificate_id
          where c.name in ('plain.example', 'revoked.example') order by 1`,
      );
    const leaves = expect.stringMatching(/^(leaving|removing|removed)$/);
    expect(await states()).toEqual([
      { name: 'plain.example', state: 'delivered' },
      { name: 'revoked.example', state: leaves },
    ]);
    await lemur.source.query(`update certificates set status = 'revoked' where name = 'plain.example'`);
    await run();
    expect(await states()).toMatchObject([{ state: leaves }, { state: leaves }]);
  });

  it('continues after an interruption', async () => {
    for (let i = 0; i < 260; i += 1) await leaf(`more-${i}.example`, [-1, 80]);
    let batches = 0;
    const cutOff = run(false, [fernetKey], () => {
      batches += 1;
      if (batches === 2) throw new Error('cut off');
    });
    await expect(cutOff).rejects.toThrow('cut off');
    const count = async (): Promise<number> =>
      (await rows<{ count: number }>(`select count(*)::int as count from certificate where name like 'more-%'`))[0]
        ?.count ?? 0;
    const before = await count();
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(260);
    expect((await run()).tables.get('certificates')).toMatchObject({ imported: 260 - before });
    expect(await count()).toBe(260);
    expect(
      await rows(
        `select 1 from certificate c where name like 'more-%' and (sealed_key is null
          or not exists (select from next_notice where certificate_id = c.id))`,
      ),
    ).toEqual([]);
  });

  it('reads databases of older versions, which lack tables and columns', async () => {
    await lemur.source.query('drop table pending_certs, endpoints, certificate_source_associations, logs cascade');
    await lemur.source.query(
      'alter table certificates drop column key_type, drop column rotation_policy_id, drop column csr',
    );
    await lemur.source.query('alter table roles drop column third_party');
    await expect(run(true)).resolves.toBeTruthy();
  });
});
