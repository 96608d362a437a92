import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { UpdateService } from '../../src/certificates/update/update.service.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { Problem } from '../../src/platform/http/problem.js';
import { startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';

function raise(error: Error): never {
  throw error;
}

describe('POST /certificates/bulk', () => {
  let program: TestProgram;
  let ann = '';
  let number = 0;
  const issue = (owner: string, more: object = {}) =>
    program.ok('POST', '/certificates', {
      owner,
      commonName: `b${++number}.example.com`,
      authority: { name: 'root' },
      validityDays: 90,
      ...more,
    });
  const many = (owner: string, count: number): Promise<{ id: number }[]> =>
    Promise.all(Array.from({ length: count }, () => issue(owner)));
  const bulk = (body: object, token?: string) => program.call('POST', '/certificates/bulk', body, { token });
  const get = (id: number) => program.ok('GET', `/certificates/${id}`);
  const idsOf = (items: { id: number }[]): number[] => items.map(({ id }) => id).sort((a, b) => a - b);

  beforeAll(async () => {
    program = await startProgram();
    const { ok } = program;
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    await ok('POST', '/policies', { name: 'early', days: 60 });
    const role = await ok('POST', '/roles', { name: 'ann@example.com' });
    await ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password, roles: [{ id: role.id }] });
    ann = await program.login('ann', password);
  });
  afterEach(() => void vi.restoreAllMocks());
  afterAll(() => program.stop());

  it('changes the certificates that it may, and reports why it may not change others', async () => {
    const [mine] = (await many('ann@example.com', 1)) as [{ id: number }];
    const [theirs] = (await many('joe@example.com', 1)) as [{ id: number }];
    const { status, body } = await bulk(
      {
        ids: [theirs.id, 99_999, mine.id, mine.id],
        change: { notify: false, rotation: true, rotationPolicy: { name: 'early' } },
      },
      ann,
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      dryRun: false,
      done: 1,
      failed: 2,
      items: [
        { id: theirs.id, ok: false, problem: { code: 'forbidden', status: 403 } },
        { id: 99_999, ok: false, problem: { code: 'not-found', status: 404 } },
        { id: mine.id, ok: true, problem: null },
      ],
    });
    expect(await get(mine.id)).toMatchObject({ notify: false, rotation: true, rotationPolicy: { name: 'early' } });
    expect(await get(theirs.id)).toMatchObject({ notify: true, rotation: false });
  });

  it('changes the owner of all certificates of a filter, page by page', async () => {
    const given = await many('old-team@example.com', 205);
    const request = {
      filter: { owner: 'old-team@example.com' },
      maximum: 205,
      change: { owner: 'new-team@example.com' },
    };
    expect(await bulk({ ...request, maximum: 204 })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('205') },
    });
    // A slow machine may need longer than a request may take.
    const first = (await program.clock.stopped(() => bulk(request))).body;
    expect(first).toMatchObject({ done: 200, failed: 0, next: expect.any(String) });
    const second = (await bulk({ ...request, after: first.next })).body;
    expect(second).toMatchObject({ done: 5, failed: 0 });
    expect(second.next).toBeUndefined();
    expect(idsOf([...first.items, ...second.items])).toEqual(idsOf(given));
    expect((await program.ok('GET', '/certificates?owner=new-team@example.com')).total).toBe(205);
    const [one] = (await get(given[0]?.id ?? 0)).roles.filter(
      ({ name }: { name: string }) => name === 'new-team@example.com',
    );
    expect(one).toBeDefined();
  });

  it.each(['revoke', 'reissue'])('does a dry run of %s unless dryRun is false', async (deed) => {
    const owner = `${deed}@example.com`;
    const [one, two] = (await many(owner, 2)) as [{ id: number }, { id: number }];
    if (deed === 'revoke') await program.ok('PUT', `/certificates/${two.id}/revoke`, {});
    else await program.ok('POST', `/certificates/${two.id}/reissue`);
    const request = { ids: [two.id, one.id], [deed]: deed === 'revoke' ? { crlReason: 'superseded' } : {} };
    const tried = (await bulk(request)).body;
    expect(tried).toMatchObject({
      dryRun: true,
      done: 1,
      failed: 1,
      items: [
        { id: two.id, ok: false, problem: { status: 409 } },
        { id: one.id, ok: true, successorId: null },
      ],
    });
    expect((await get(one.id)).lifecycle).toBe('issued');
    const done = (await bulk({ ...request, dryRun: false })).body;
    expect(done).toMatchObject({ dryRun: false, done: 1, failed: 1 });
    const after = await get(one.id);
    if (deed === 'revoke') expect(after).toMatchObject({ lifecycle: 'revoked', revocationReason: 4 });
    else expect(after.replacedBy).toMatchObject([{ id: done.items[1].successorId }]);
    expect((await bulk({ ...request, dryRun: false })).body).toMatchObject({ done: 0, failed: 2 });
  });

  it('reissues by filter without reissuing the new successors', async () => {
    await many('loop@example.com', 3);
    const { body } = await bulk({
      filter: { owner: 'loop@example.com', lifecycle: 'issued' },
      maximum: 10,
      reissue: { notify: false },
      dryRun: false,
    });
    expect(body).toMatchObject({ done: 3, failed: 0 });
    expect((await program.ok('GET', '/certificates?owner=loop@example.com')).total).toBe(6);
  });

  it.each<[string, string, () => void]>([
    ['there was no time for', 'unavailable', () => program.clock.advance(61_000)],
    ['the database did not do', 'unavailable', () => raise(new Problem('unavailable', 'Not now.'))],
    ['a plugin did not do', 'plugin-unavailable', () => raise(new PluginError('unavailable', 'Not now.'))],
  ])('finishes with the same Idempotency-Key what %s', async (_, code, disturb) => {
    const ids = idsOf(await many('again@example.com', 9));
    const headers = { 'Idempotency-Key': `again-${ids[0]}` };
    const request = { ids, change: { rotation: true } };
    const send = () => program.call('POST', '/certificates/bulk', request, { headers });
    // eslint-disable-next-line @typescript-eslint/unbound-method -- It is applied to the service that is called.
    const { update } = UpdateService.prototype;
    vi.spyOn(UpdateService.prototype, 'update').mockImplementationOnce(function (this: UpdateService, ...all) {
      disturb();
      return update.apply(this, all);
    });
    const first = await send();
    expect(first).toMatchObject({ status: 200, body: { done: 8, failed: 1 } });
    const left = first.body.items.find(({ ok }: { ok: boolean }) => !ok);
    expect(left.problem.code).toBe(code);
    expect(await get(left.id)).toMatchObject({ rotation: false });
    const second = await send();
    expect(second).toMatchObject({ status: 200, body: { done: 9, failed: 0 } });
    expect(await get(left.id)).toMatchObject({ rotation: true });
    await program.ok('POST', `/certificates/${left.id}/update/switches`, { rotation: false });
    expect((await send()).body).toEqual(second.body);
    expect(await get(left.id)).toMatchObject({ rotation: false });
  });

  it('answers a repeated Idempotency-Key as before when an item can never succeed', async () => {
    const [one] = (await many('never@example.com', 1)) as [{ id: number }];
    const headers = { 'Idempotency-Key': `never-${one.id}` };
    const send = () =>
      program.call('POST', '/certificates/bulk', { ids: [one.id, 99_999], change: { rotation: true } }, { headers });
    const first = await send();
    expect(first).toMatchObject({ status: 200, body: { done: 1, failed: 1 } });
    await program.ok('POST', `/certificates/${one.id}/update/switches`, { rotation: false });
    expect((await send()).body).toEqual(first.body);
    expect(await get(one.id)).toMatchObject({ rotation: false });
  });

  it.each([
    ['nothing to select by', { change: { notify: true } }, 'ids'],
    ['two ways to select', { ids: [1], filter: {}, maximum: 1, change: { notify: true } }, 'ids'],
    ['a filter without a maximum', { filter: { owner: 'x@example.com' }, change: { notify: true } }, 'maximum'],
    ['nothing to do', { ids: [1] }, 'change'],
    ['a change of nothing', { ids: [1], change: {} }, 'change'],
    ['two things to do', { ids: [1], change: { notify: true }, revoke: {} }, 'change'],
    ['a filter that lists do not know', { filter: { colour: 'red' }, maximum: 1, change: { notify: true } }, 'colour'],
    ['a filter that pages', { filter: { count: 5 }, maximum: 1, change: { notify: true } }, 'count'],
    ['too many ids', { ids: Array.from({ length: 201 }, (_, i) => i + 1), change: { notify: true } }, 'ids'],
  ])('refuses %s', async (_, body, field) => {
    const answer = await bulk(body);
    expect([answer.status, Object.keys(answer.body.reasons)]).toEqual([400, [field]]);
  });
});
