import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../../migrations/index.js';
import { RolesOfFacts1763700000053 } from '../../migrations/1763700000053-roles-of-facts.js';
import { keyRolesOf, rolesOf } from '../../src/certificates/certificate-roles.js';
import { redoAll, undoLast } from '../support/database.js';
import { startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
const rows = <T>(sql: string, values: unknown[] = []): Promise<T[]> => program.database.source.query(sql, values);
const issue = (owner: string, more: object = {}): Promise<{ id: number }> =>
  program.ok('POST', '/certificates', {
    ...{ owner, commonName: 'a.example.com', authority: { name: 'root' }, validityDays: 90 },
    ...more,
  });
const listed = async (id: number): Promise<string[]> =>
  (
    await rows<{ name: string }>(
      `select name from certificate_role l join role r on r.id = l.role_id where l.certificate_id = $1 order by name`,
      [id],
    )
  ).map(({ name }) => name);
const shown = async (id: number): Promise<Record<string, boolean>> =>
  Object.fromEntries(
    (await program.ok('GET', `/certificates/${id}`)).roles.map(
      ({ name, byIssuer }: { name: string; byIssuer: boolean }) => [name, byIssuer],
    ),
  );

async function signUp(username: string, ...roles: string[]): Promise<string> {
  const names = roles.map((name) => ({ name }));
  await program.ok('POST', '/users', { username, email: `${username}@other.example`, password, roles: names });
  return program.login(username, password);
}
/** What somebody may do with a certificate: change it, and read its key. */
async function rightsOf(token: string, id: number): Promise<[change: number, key: number]> {
  const change = await program.call('PUT', `/certificates/${id}`, { description: 'seen' }, { token });
  const key = await program.call('GET', `/certificates/${id}/key`, undefined, { token });
  return [change.status, key.status];
}
const rename = async (from: string, to: string): Promise<unknown> => {
  const [role] = (await program.ok('GET', `/roles?filter=name;${from}`)).items;
  return program.ok('PUT', `/roles/${role.id}`, { name: to });
};

beforeAll(async () => {
  program = await startProgram();
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  for (const name of ['linked', 'joe@example.com']) await program.ok('POST', '/roles', { name });
});
afterAll(() => program.stop());

describe('the roles of a certificate', () => {
  it("are those of its owner and of its authority's owner without stored rows, and the listed ones", async () => {
    const { id } = await issue('joe@example.com', { roles: [{ name: 'linked' }, { name: 'JOE@example.com' }] });
    expect(await shown(id)).toEqual({ 'joe@example.com': false, 'pki@example.com': true, linked: false });
    expect(await listed(id)).toEqual(['linked']);
    const { id: own } = await issue('pki@example.com');
    expect([await shown(own), await listed(own)]).toEqual([{ 'pki@example.com': false }, []]);
  });

  it('keep their rights when renamed, and a role that takes the old name gets the rights of the owner', async () => {
    await program.ok('POST', '/authorities', { name: 'two', owner: 'ca@example.com', commonName: 'Two' });
    const { id } = await issue('lea@example.com', { authority: { name: 'two' } });
    const [lea, carl] = [await signUp('lea', 'lea@example.com'), await signUp('carl', 'ca@example.com')];
    const before = [await rightsOf(lea, id), await rightsOf(carl, id)];
    expect(before).toEqual([
      [200, 200],
      [200, 403],
    ]);
    await rename('lea@example.com', 'lea-team@example.com');
    await rename('ca@example.com', 'ca-team@example.com');
    expect([await rightsOf(lea, id), await rightsOf(carl, id)]).toEqual(before);
    expect(await shown(id)).toMatchObject({ 'lea-team@example.com': false, 'ca-team@example.com': true });
    expect(await listed(id)).toEqual(['lea-team@example.com']);
    await issue('lea@example.com', { commonName: 'b.example.com' });
    expect(await rightsOf(await signUp('max', 'lea@example.com'), id)).toEqual([200, 200]);
  });

  it('are not those of a built-in role whose name an old import has left as the owner', async () => {
    const { id } = await issue('joe@example.com');
    await rows(`update certificate set owner = 'operator' where id = $1`, [id]);
    expect(await shown(id)).toEqual({ 'pki@example.com': true });
    expect(await rightsOf(await signUp('oona', 'operator'), id)).toEqual([403, 403]);
  });
});

describe('an upgrade from roles that were all listed', () => {
  it('changes no right, in both directions', async () => {
    const undo = async (): Promise<void> => {
      for (let left = migrations.length - migrations.indexOf(RolesOfFacts1763700000053); left > 0; left -= 1)
        await undoLast(program.database.source);
    };
    for (const owner of ['joe@example.com', 'pki@example.com', 'mia@example.com'])
      for (let i = 0; i < 10; i += 1) await issue(owner);
    await undo();
    await rows('delete from certificate_role where by_issuer and certificate_id % 4 = 0');
    await rows(`insert into certificate_role (certificate_id, role_id)
      select c.id, r.id from certificate c cross join role r where (c.id * 5 + r.id * 3) % 11 = 0
      on conflict do nothing`);
    // The role of the owner has every right by its name, whether listed or not.
    const before = await rows(`
      select c.id, r.id as role, bool_and(coalesce(l.by_issuer and lower(r.name) <> lower(c.owner), false)) as no_key
      from certificate c cross join role r
        left join certificate_role l on l.certificate_id = c.id and l.role_id = r.id
      where l.role_id is not null or lower(r.name) = lower(c.owner) and r.name <> 'operator'
      group by 1, 2 order by 1, 2`);
    await redoAll(program.database.source);
    const now = `select c.id, r.id as role, r.id not in (${keyRolesOf('c')}) as no_key
      from certificate c join role r on r.id in (${rolesOf('c')}) order by 1, 2`;
    expect(await rows(now)).toEqual(before);
    await undo();
    await redoAll(program.database.source);
    expect(await rows(now)).toEqual(before);
  });
});
