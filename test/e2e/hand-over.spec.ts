import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { makeTeams, type Teams } from '../support/teams.js';

const [from, to] = ['from@example.com', 'to@example.com'];
let program: TestProgram;
let ruleId: number;
let teams: Teams;

beforeAll(async () => {
  program = await startProgram();
  // Ann holds the role of the former owner, bob that of the new one.
  teams = await makeTeams(program, { ann: [from], bob: [to], both: [from, to] });
  ruleId = (await program.ok('POST', '/domain-rules', { patterns: ['.example.com'] })).id;
});
afterAll(() => program.stop());

const as: Teams['as'] = (...request) => teams.as(...request);
const view = (id: number) => program.ok('GET', `/certificates/${id}`);
const issue = (who: string, commonName: string, more: object = {}): Promise<number> =>
  teams.issue(who, from, commonName, { rotation: true, ...more });
const grant = (role: string) => program.ok('PUT', `/domain-rules/${ruleId}`, { role: { name: role }, patterns: ['.'] });
const mail = (subject: string) =>
  eventually(async () =>
    (await program.ok('GET', '/mails?count=200')).items.find((one: { subject: string }) => one.subject === subject),
  );

/** The ways by which an owner changes. */
const ways: [string, (id: number) => [method: string, path: string, body: object]][] = [
  ['PUT', (id) => ['PUT', `/certificates/${id}`, { owner: to }]],
  ['update/owner', (id) => ['POST', `/certificates/${id}/update/owner`, { owner: to }]],
  ['bulk', (id) => ['POST', '/certificates/bulk', { ids: [id], change: { owner: to } }]],
];

describe('a certificate that is handed over', () => {
  it.each(ways)('by %s is not renewed with the rights of a new owner who has not accepted it', async (_, way) => {
    const [given, held] = [await issue('ann', 'a.example.com'), await issue('both', 'b.example.com')];
    for (const [who, id] of [
      ['ann', given],
      ['both', held],
    ] as const)
      expect((await as(who, ...way(id))).status).toBe(200);
    expect((await view(given)).renewal).toMatchObject({ vouchingRole: from, ownerVouches: false });
    expect((await view(held)).renewal).toMatchObject({ vouchingRole: to, ownerVouches: true });
  });

  it("uses the former owner's rights, says why it stops when they end, and renews after acceptance", async () => {
    const [given, named] = [
      await issue('ann', 'given.example.com'),
      await issue('ann', 'named.example.com', { owner: to }),
    ];
    await as('ann', 'PUT', `/certificates/${given}`, { owner: to });
    expect(await mail('given.example.com: handed over to you')).toMatchObject({
      to: [to],
      text: expect.stringContaining(`/api/1/certificates/${given}/accept`),
    });
    // What the former owner may have certified goes on.
    await grant(from);
    program.clock.advance(70 * dayMs);
    const heir = await eventually(async () => (await view(given)).replacedBy[0]?.id as number | undefined);
    expect((await view(heir)).renewal).toMatchObject({ vouchingRole: from, ownerVouches: false });

    await grant(to);
    const { rights } = await program.ok('GET', `/certificates/${heir}/plan`);
    expect(rights).toEqual({ allowed: false, text: expect.stringContaining('given.example.com is not open') });
    program.clock.advance(70 * dayMs);
    const refused = await eventually(async () => {
      const now = await view(heir);
      return now.renewal.attempts > 0 && now;
    });
    for (const words of [`the role ${from}`, 'its creator ann', `POST /certificates/${heir}/accept`])
      expect(refused.renewal.detail).toContain(words);
    const { text } = await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find(({ subject }: { subject: string }) =>
        /given\.example\.com: renewal failed/.test(subject),
      ),
    );
    expect(text).toContain(`POST /certificates/${heir}/accept`);

    for (const id of [heir, named]) expect((await as('ann', 'POST', `/certificates/${id}/accept`)).status).toBe(403);
    expect((await view(named)).renewal).toMatchObject({ vouchingRole: null, ownerVouches: false });
    const accepted = await as('bob', 'POST', `/certificates/${heir}/accept`);
    expect([accepted.status, accepted.body.renewal]).toEqual([
      200,
      expect.objectContaining({ vouchingRole: to, ownerVouches: true, attempts: 0 }),
    ]);
    await eventually(async () => (await view(heir)).replacedBy.length === 1);
    expect((await as('bob', 'POST', `/certificates/${heir}/accept`)).status).toBe(200);
    const events = await program.ok('GET', '/logs?filter=logType;certificate.accepted');
    expect(events.items.map((event: { targetId: string }) => event.targetId)).toContain(String(heir));
    await program.ok('PUT', `/domain-rules/${ruleId}`, { patterns: ['.'] });
  });

  it("uses the new owner's rights after a hand-over by an administrator or back to the vouching owner", async () => {
    const [byAdmin, back] = [await issue('ann', 'c.example.com'), await issue('ann', 'd.example.com')];
    await program.ok('PUT', `/certificates/${byAdmin}`, { owner: to });
    expect((await view(byAdmin)).renewal).toMatchObject({ vouchingRole: to, ownerVouches: true });
    await as('ann', 'PUT', `/certificates/${back}`, { owner: to });
    expect((await as('bob', 'PUT', `/certificates/${back}`, { owner: from })).status).toBe(200);
    expect((await view(back)).renewal).toMatchObject({ vouchingRole: from, ownerVouches: true });
  });

  it('uses the rights of the same role after that role is renamed', async () => {
    const id = await issue('ann', 'f.example.com');
    const { items } = await program.ok('GET', '/roles?count=200');
    const { id: roleId } = items.find(({ name }: { name: string }) => name === from);
    const renamed = 'renamed@example.com';
    await program.ok('PUT', `/roles/${roleId}`, { name: renamed });
    expect((await view(id)).renewal).toMatchObject({ vouchingRole: renamed, ownerVouches: false });
    const { text } = (await program.ok('GET', `/certificates/${id}/plan`)).rights;
    expect(text).toContain(`by the rights of the role ${renamed} and of its creator ann.`);
    await program.ok('PUT', `/roles/${roleId}`, { name: from });
    expect((await view(id)).renewal).toMatchObject({ vouchingRole: from, ownerVouches: true });
  });

  it('gets no rights from a reserved role name that an old import left as its vouching role', async () => {
    const id = await issue('ann', 'e.example.com');
    await grant(to);
    await program.database.source.query(`update certificate set vouching_role = 'admin' where id = $1`, [id]);
    expect((await program.ok('GET', `/certificates/${id}/plan`)).rights).toMatchObject({ allowed: false });
    await program.ok('PUT', `/domain-rules/${ruleId}`, { patterns: ['.'] });
  });
});
