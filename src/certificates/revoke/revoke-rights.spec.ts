import { describe, expect, it } from 'vitest';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import { RevokeRights } from './revoke.service.js';

type Parts = ConstructorParameters<typeof RevokeRights>;

describe('the right to revoke a certificate', () => {
  it.each([
    ['in a session', null, 'This needs certificate:revoke.'],
    ['with an API key', { id: 1, name: 'narrow' }, /scopes of this API key/],
  ])('is refused before anything is read to an actor without the permission %s', async (_, apiKey, detail) => {
    const untouched = {} as never;
    const parts: Parts = [untouched, untouched, untouched, untouched];
    const actor: Actor = { ...systemActor('job'), permissions: new Set(['certificate:read']), apiKey };
    const refused = new RevokeRights(...parts).demand(untouched, actor, 1, { crlReason: 'superseded' });
    await expect(refused).rejects.toMatchObject({ code: 'forbidden', detail: expect.stringMatching(detail) });
  });
});
