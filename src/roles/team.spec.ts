import { describe, expect, it } from 'vitest';
import { ownerFor, teamOf } from './team.js';

describe('the team of a user', () => {
  const role = (id: number, name: string) => ({ id, name, permissions: [] });
  const owner = (...roles: ReturnType<typeof role>[]): string | null => ownerFor({ email: 'joe@example.com', roles });

  it('is the role named as the address, else the first team, else the address alone', () => {
    expect(owner(role(9, 'web@example.com'), role(5, 'ops@example.com'), role(7, 'Joe@Example.com'))).toBe(
      'Joe@Example.com',
    );
    expect(owner(role(9, 'web@example.com'), role(5, 'ops@example.com'))).toBe('ops@example.com');
    expect(owner(role(1, 'admin'), role(2, 'Acme CA_operator'))).toBe('joe@example.com');
    expect(teamOf({ email: 'joe@example.com', roles: [role(1, 'operator')] })).toBeNull();
    expect(ownerFor({ email: 'admin@localhost', roles: [role(1, 'admin')] })).toBeNull();
  });
});
