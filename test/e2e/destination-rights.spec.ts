import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RightsOfPlaces1763700000037 } from '../../migrations/1763700000037-rights-of-places.js';
import { startTestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { makeTeams, type Teams } from '../support/teams.js';

const [team, others] = ['team@example.com', 'others@example.com'];
const elsewhere = startTestAuthority();
const root = mkdtempSync(join(tmpdir(), 'destination-rights-'));
let program: TestProgram;
/** Ann is of the team that the destination is for, bob of another one; reader may only look. */
const members = {
  ann: [team],
  bob: [others],
  both: [team, others],
  oper: ['operator'],
  eve: [],
  reader: ['read-only', team],
};
let teams: Teams;
const ids: Record<string, number> = {};

beforeAll(async () => {
  program = await startProgram();
  teams = await makeTeams(program, members);
  ids['closed'] = (await program.ok('POST', '/destinations', destination('closed', { roles: [{ name: team }] }))).id;
  ids['public'] = (await program.ok('POST', '/destinations', destination('public'))).id;
});
afterAll(async () => {
  elsewhere.close();
  await program.stop();
  rmSync(root, { recursive: true, force: true });
});

const destination = (label: string, more: object = {}) => ({
  label,
  plugin: { id: 'filesystem', options: { path: join(root, label) } },
  ...more,
});
const as: Teams['as'] = (...request) => teams.as(...request);
const ownerOf = (who: string): string => (who === 'bob' ? others : team);
const request = (who: string, commonName: string, more: object = {}) => ({
  owner: ownerOf(who),
  commonName,
  authority: { name: 'root' },
  validityDays: 90,
  ...more,
});
const issue = (who: string, commonName: string, more: object = {}): Promise<number> =>
  teams.issue(who, ownerOf(who), commonName, more);
const closed = { destinations: [{ label: 'closed' }] };

/** The ways by which a certificate comes to a destination. */
const ways: [string, (who: string) => Promise<{ status: number; body: { message?: string } }>][] = [
  ['POST /certificates', (who) => as(who, 'POST', '/certificates', request(who, `issue-${who}.example.com`, closed))],
  ['PUT', async (who) => as(who, 'PUT', `/certificates/${await issue(who, `put-${who}.example.com`)}`, closed)],
  [
    'PUT by id',
    async (who) =>
      as(who, 'PUT', `/certificates/${await issue(who, `id-${who}.example.com`)}`, {
        destinations: [{ id: ids['closed'] }],
      }),
  ],
  [
    'a certificate that replaces another',
    async (who) =>
      as(
        who,
        'POST',
        '/certificates',
        request(who, `again-${who}.example.com`, {
          ...closed,
          replaces: [{ id: await issue(who, `old-${who}.example.com`) }],
        }),
      ),
  ],
];

describe('a destination', () => {
  it.each(ways)('can be used through %s by holders of its roles and operators only', async (_, way) => {
    const refused = await way('bob');
    expect([refused.status, refused.body.message]).toEqual([
      403,
      'You are not allowed to deliver to destination closed: it requires one of its roles.',
    ]);
    expect((await way('ann')).status).toBe(200);
    expect((await way('oper')).status).toBe(200);
  });

  it('cannot be used by an upload of another user, and its options are not revealed', async () => {
    const { chainPem, privateKeyPem } = elsewhere.issue('up.example.com');
    const [body, chain] = chainPem;
    const upload = { owner: others, body, chain, privateKey: privateKeyPem, ...closed };
    const { status, body: answer } = await as('bob', 'POST', '/certificates/upload', upload);
    expect([status, answer.message]).toEqual([403, expect.stringContaining('destination closed')]);
    const id = await issue('bob', 'twice.example.com');
    const twice = { destinations: [{ label: 'closed' }, { id: ids['closed'] }] };
    expect((await as('bob', 'PUT', `/certificates/${id}`, twice)).status).toBe(403);
  });

  it('shows its options to users who may deliver there or read all, and to no other', async () => {
    const seen = async (who: string) => {
      const { body: one } = await as(who, 'GET', `/destinations/${ids['closed']}`);
      const { body: list } = await as(who, 'GET', '/destinations?filter=label;closed');
      expect(list.items).toEqual([one]);
      return [Object.keys(one.plugin.options).length > 0, one.plugin.pluginOptions.length > 0, one.mayDeliver];
    };
    expect(await seen('ann')).toEqual([true, true, true]);
    expect(await seen('oper')).toEqual([true, true, true]);
    expect(await seen('reader')).toEqual([true, true, false]);
    expect(await seen('bob')).toEqual([false, false, false]);
    expect((await as('bob', 'GET', `/destinations/${ids['closed']}`)).body).toMatchObject({
      label: 'closed',
      open: false,
      roles: [{ name: team }],
      plugin: { slug: expect.any(String), options: {}, pluginOptions: [], secretsSet: [] },
    });
    const id = await issue('ann', 'linked.example.com', closed);
    const { body } = await as('bob', 'GET', `/certificates/${id}/destinations`);
    expect(JSON.stringify(body)).not.toContain(root);
    expect((await as('bob', 'GET', `/destinations/${ids['closed']}/roles`)).body).toEqual({
      items: [expect.objectContaining({ name: team })],
      total: 1,
    });
  });

  it('shows the location of a certificate to users who see its options or hold the role of the owner', async () => {
    const id = await issue('both', 'place.example.com', { ...closed, owner: others });
    const { id: deliveryId, location } = await eventually(async () => {
      const { items } = await program.ok('GET', `/certificates/${id}/deliveries`);
      return items[0].state === 'delivered' && items[0];
    });
    expect(location).toContain(root);
    const paths = [
      `/certificates/${id}/deliveries`,
      `/deliveries/${deliveryId}`,
      `/deliveries?certificateId=${id}`,
      `/certificates/${id}/plan`,
      `/certificates/${id}/history`,
    ];
    const shown = async (who: string) => {
      const texts = await Promise.all(paths.map(async (path) => JSON.stringify((await as(who, 'GET', path)).body)));
      return texts.map((text) => text.includes(root));
    };
    const all = paths.map(() => true);
    // Bob holds the role of its owner, ann may deliver there; eve neither.
    for (const who of ['bob', 'ann', 'oper', 'reader']) expect(await shown(who), who).toEqual(all);
    expect(await shown('eve')).toEqual(paths.map(() => false));
    const { body } = await as('eve', 'GET', `/certificates/${id}/history`);
    expect(body.items.map(({ action }: { action: string }) => action)).toContain('delivery.arrived');
  });

  it('has the roles of its creator by default, and keeps its roles when a change names none', async () => {
    const made = await program.ok('GET', `/destinations/${ids['public']}`);
    expect([made.open, made.roles.map(({ name }: { name: string }) => name)]).toEqual([false, ['admin']]);
    const label = 'public';
    const change = (more: object) =>
      program.ok('PUT', `/destinations/${ids['public']}`, { label, plugin: made.plugin, ...more });
    const id = await issue('bob', 'open.example.com');
    const attach = () => as('bob', 'PUT', `/certificates/${id}`, { destinations: [{ label }] });
    expect((await attach()).status).toBe(403);
    await program.ok('PUT', `/destinations/${ids['public']}`, { ...made, open: true });
    expect((await attach()).status).toBe(200);
    expect(await program.ok('PUT', `/destinations/${ids['public']}`, made)).toMatchObject({ open: false });
    expect((await change({ roles: [{ name: others }] })).roles.map(({ name }: { name: string }) => name)).toEqual([
      others,
    ]);
    expect(await change({ description: 'x' })).toMatchObject({ roles: [{ name: others }] });
    expect(
      (await program.call('POST', '/destinations', destination('odd', { roles: [{ name: 'gone' }] }))).status,
    ).toBe(400);
  });

  it('keeps attached certificates and gets their renewals after the right of the user has ended', async () => {
    const id = await issue('ann', 'stays.example.com', { ...closed, rotation: true });
    await program.ok('PUT', `/destinations/${ids['closed']}`, destination('closed', { roles: [{ name: others }] }));
    try {
      // Sent back whole, as clients do: nothing is added.
      expect((await as('ann', 'PUT', `/certificates/${id}`, closed)).status).toBe(200);
      program.clock.advance(70 * dayMs);
      await eventually(async () => {
        const heir = (await program.ok('GET', `/certificates/${id}`)).replacedBy[0]?.id;
        const { items } = heir ? await program.ok('GET', `/certificates/${heir}/deliveries`) : { items: [] };
        return items[0]?.state === 'delivered';
      });
    } finally {
      await program.ok('PUT', `/destinations/${ids['closed']}`, destination('closed', { roles: [{ name: team }] }));
    }
  });

  it('does not name the certificate of another owner that occupies the location', async () => {
    await program.ok('PUT', `/destinations/${ids['closed']}`, destination('closed', { open: true }));
    const first = await issue('ann', 'taken.example.com', closed);
    const { name } = await eventually(async () => {
      const { items } = await program.ok('GET', `/certificates/${first}/deliveries`);
      return items[0].state === 'delivered' && program.ok('GET', `/certificates/${first}`);
    });
    const detailOf = async (who: string) => {
      const id = await issue(who, 'taken.example.com', closed);
      return eventually(async () => {
        const { items } = await program.ok('GET', `/certificates/${id}/deliveries`);
        return items[0].detail as string | null;
      });
    };
    const [stranger, own] = [await detailOf('bob'), await detailOf('ann')];
    expect(stranger).toMatch(/^A certificate of another owner stands at /);
    expect(stranger).not.toContain(name);
    expect(own).toContain(name);
  });

  it('has the same rule as a source, which shows its options to its owner, operators and readers', async () => {
    const path = join(root, 'looked-at');
    mkdirSync(path);
    const { id } = await program.ok('POST', '/sources', {
      label: 'looked-at',
      owner: team,
      active: false,
      plugin: { id: 'filesystem-source', options: { path } },
    });
    const shown = async (who: string) => {
      const one = await as(who, 'GET', `/sources/${id}`);
      const all = await as(who, 'GET', '/sources?filter=label;looked-at');
      expect(all.body.items).toEqual([one.body]);
      return JSON.stringify(one.body).includes(path);
    };
    const tell = await Promise.all(['ann', 'oper', 'reader', 'bob', 'eve'].map(shown));
    expect(tell).toEqual([true, true, true, false, false]);
  });

  it('from before the upgrade stays open to everyone', async () => {
    const runner = program.database.source.createQueryRunner();
    const migration = new RightsOfPlaces1763700000037();
    await migration.down(runner);
    await migration.up(runner);
    await runner.release();
    expect(await program.ok('GET', '/destinations?filter=label;public')).toMatchObject({
      items: [{ open: true, roles: [] }],
    });
  });
});
