import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { type Answer, eventually, startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';
const team = 'team@example.com';
let program: TestProgram;
let folder: string;
let foreign: TestAuthority;
let users = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bounds-'));
  foreign = startTestAuthority();
  program = await startProgram({
    OWNER_DOMAINS: 'example.com,example.org',
    MAILS_TO_OTHERS_PER_HOUR: '3',
    ALLOWED_FILESYSTEM_ROOTS: `${folder}/root`,
  });
  await program.ok('POST', '/authorities', { name: 'root', owner: team, commonName: 'Root' });
});
afterAll(async () => {
  foreign.close();
  await program.stop();
  await rm(folder, { recursive: true });
});

/** A request as a new ordinary user who may issue from the authority. */
async function newUser(...roles: string[]): Promise<(method: string, path: string, body: object) => Promise<Answer>> {
  users += 1;
  const username = `user${users}`;
  await program.ok('POST', '/users', {
    username,
    email: `${username}@example.com`,
    password,
    roles: roles.map((name) => ({ name })),
  });
  const token = await program.login(username, password);
  return (method, path, body) => program.call(method, path, body, { token });
}
const request = (owner: string, commonName = 'a.example.com'): object => ({
  owner,
  commonName,
  authority: { name: 'root' },
});
/** Its owner is warned sixteen days later. */
const soonOver = { validityDays: 20, rotation: false };
const upload = (owner: string): object => {
  const [body, ...chain] = foreign.issue('up.example.com').chainPem;
  return { owner, body, chain: chain.join('\n') };
};
const outside = { status: 400, body: { reasons: { owner: [expect.stringContaining('is not in an allowed domain')] } } };

describe('OWNER_DOMAINS', () => {
  const requests: [string, string, (owner: string) => object][] = [
    ['POST', '/certificates', request],
    ['POST', '/certificates/upload', upload],
    ['POST', '/authorities', (owner) => ({ name: `ca-${users++}`, owner, commonName: 'CA' })],
    [
      'POST',
      '/sources',
      (owner) => ({
        label: `s${users++}`,
        owner,
        plugin: { id: 'tls-endpoints', options: { hosts: ['a.example.com'] } },
      }),
    ],
  ];
  it.each(requests)('limits the owner in %s %s', async (method, path, body) => {
    for (const owner of ['ceo@victim.example', 'a@sub.example.com', 'a@example.com.evil.example'])
      expect(await program.call(method, path, body(owner)), owner).toMatchObject(outside);
    expect((await program.call(method, path, body('Web@EXAMPLE.org'))).status).toBe(200);
  });

  it('limits each change of owner, and keeps and warns an owner from before the setting', async () => {
    const { id } = await program.ok('POST', '/certificates', {
      ...request(team, 'old.example.com'),
      ...soonOver,
    });
    await program.database.source.query(`update certificate set owner = 'ann@former.example' where id = $1`, [id]);
    const change = { owner: 'ceo@victim.example' };
    expect(await program.call('PUT', `/certificates/${id}`, change)).toMatchObject(outside);
    expect(await program.call('POST', `/certificates/${id}/update/owner`, change)).toMatchObject(outside);
    const { body } = await program.call('POST', '/certificates/bulk', { ids: [id], change, dryRun: false });
    expect(JSON.stringify(body)).toContain('is not in an allowed domain');
    const whole = { owner: 'ann@former.example', notify: true, destinations: [], replaces: [] };
    expect((await program.call('PUT', `/certificates/${id}`, whole)).status).toBe(200);
    expect((await program.call('PUT', '/authorities/1', { owner: 'ceo@victim.example' })).status).toBe(400);
    program.clock.advance(16 * 86_400_000);
    await eventually(async () =>
      (await program.ok('GET', '/mails')).items.some(({ to }: { to: string[] }) => to.includes('ann@former.example')),
    );
  });
});

describe('MAILS_TO_OTHERS_PER_HOUR', () => {
  it('limits the requests of each user in an hour that send mail to other owners', async () => {
    const [ann, bob] = [await newUser(team), await newUser(team)];
    const tell = (as: typeof ann, owner: string): Promise<number> =>
      as('POST', '/certificates', request(owner)).then(({ status }) => status);
    for (const owner of ['a@example.org', 'b@example.org']) expect(await tell(ann, owner)).toBe(200);
    expect((await ann('POST', '/certificates/upload', upload('c@example.org'))).status).toBe(200);
    expect(await ann('POST', '/certificates', request('d@example.org'))).toMatchObject({
      status: 429,
      body: { detail: expect.stringContaining('whose role you do not hold') },
    });
    expect((await ann('POST', '/certificates/upload', upload('d@example.org'))).status).toBe(429);
    // What is told to oneself or to one's own team is not counted, and others have their own count.
    for (const owner of [team, `user${users - 1}@example.com`]) expect(await tell(ann, owner)).toBe(200);
    expect(await tell(bob, 'a@example.org')).toBe(200);
    program.clock.advance(3_600_000);
    expect(await tell(ann, 'd@example.org')).toBe(200);
  });

  it("counts the revocation of others' certificates, and delays no warnings to their owners", async () => {
    const ann = await newUser(team);
    const ids: number[] = [];
    for (const owner of ['r1@example.org', 'r2@example.org'])
      ids.push((await ann('POST', '/certificates', request(owner, 'rev.example.com'))).body.id);
    const [first, second] = await Promise.all(
      ids.map((id) => ann('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' })),
    );
    expect([first?.status, second?.status].sort()).toEqual([200, 429]);
    for (let i = 0; i < 5; i += 1)
      await program.ok('POST', '/certificates', { ...request(`w${i}@example.org`), ...soonOver });
    program.clock.advance(16 * 86_400_000);
    program.clock.advance(16 * 86_400_000);
    await eventually(async () => {
      const told = (await program.ok('GET', '/mails?count=200')).items.flatMap(({ to }: { to: string[] }) => to);
      return [0, 1, 2, 3, 4].every((i) => told.includes(`w${i}@example.org`));
    });
  });
});

describe('ALLOWED_FILESYSTEM_ROOTS', () => {
  it('limits destinations and sources when they are created or changed, and follows symbolic links', async () => {
    await mkdir(`${folder}/root`);
    await mkdir(`${folder}/other`);
    await symlink(`${folder}/other`, `${folder}/root/out`);
    const plugins = { destinations: 'filesystem', sources: 'filesystem-source' };
    for (const [kind, id] of Object.entries(plugins)) {
      const body = (path: string): object => ({
        label: `${kind} ${users++}`,
        plugin: { id, options: { path } },
        ...(kind === 'sources' && { owner: team }),
      });
      for (const path of [`${folder}/other`, `${folder}/root/out/x`, '/etc/ssl', `${folder}/rooted`])
        expect(await program.call('POST', `/${kind}`, body(path)), path).toMatchObject({
          status: 400,
          body: { reasons: { 'plugin.options': [expect.stringContaining('ALLOWED_FILESYSTEM_ROOTS')] } },
        });
      const made = await program.ok('POST', `/${kind}`, body(`${folder}/root/${kind}`));
      expect((await program.call('PUT', `/${kind}/${made.id}`, body(`${folder}/other`))).status).toBe(400);
    }
  });
});
