import { expect } from 'vitest';
import type { Answer, TestProgram } from './program.js';

/** Signed-in users of a program, by name. */
export interface Teams {
  /** A request of the user; `path` begins behind /api/1. */
  readonly as: (who: string, method: string, path: string, body?: unknown) => Promise<Answer>;
  /** Has the user issue a certificate of 90 days from `root`, unless `more` says otherwise. Returns its id. */
  readonly issue: (who: string, owner: string, commonName: string, more?: object) => Promise<number>;
}

/**
 * Makes the authority `root`, which all of these users may issue from. `members` names the roles of each: those of
 * teams, which are mail addresses, are made, and carry the right to read keys.
 */
export async function makeTeams(program: TestProgram, members: Record<string, string[]>): Promise<Teams> {
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  const teams = new Set(
    Object.values(members)
      .flat()
      .filter((role) => role.includes('@')),
  );
  for (const name of teams) await ok('POST', '/roles', { name, permissions: ['key:read'] });
  const tokens: Record<string, string> = {};
  const password = 'Correct-Horse-2!';
  for (const [username, roles] of Object.entries(members)) {
    await ok('POST', '/users', {
      username,
      email: `${username}@example.com`,
      password,
      roles: [...roles, 'root_operator'].map((name) => ({ name })),
    });
  }
  const as: Teams['as'] = async (who, method, path, body) => {
    const ask = (): Promise<Answer> => program.call(method, path, body, { token: tokens[who] ?? null });
    const answer = await ask();
    if (answer.status !== 401) return answer;
    // The first request, or a clock that was moved on has ended the session.
    tokens[who] = await program.login(who, password);
    return ask();
  };
  return {
    as,
    issue: async (who, owner, commonName, more = {}) => {
      const request = { owner, commonName, authority: { name: 'root' }, validityDays: 90, ...more };
      const { status, body } = await as(who, 'POST', '/certificates', request);
      expect([status, body.message]).toEqual([200, undefined]);
      return body.id as number;
    },
  };
}
