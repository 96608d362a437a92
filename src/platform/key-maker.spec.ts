import { describe, expect, it } from 'vitest';
import { KeyMaker } from './key-maker.js';

describe('keys', () => {
  it('for renewals do not wait until everybody has an RSA key, and one user does not queue for ever', async () => {
    const keys = new KeyMaker();
    const order: string[] = [];
    const make = async (userId: number): Promise<void> => {
      await keys.make('RSA2048', userId);
      order.push(userId === 0 ? 'renewal' : 'person');
    };
    const asked = Array.from({ length: 12 }, () => make(7));
    await expect(make(7)).rejects.toMatchObject({ code: 'unavailable' });
    const renewal = make(0);
    expect((await keys.make('ECCPRIME256V1', 7)).asymmetricKeyType).toBe('ec');
    await Promise.all([renewal, ...asked]);
    // Were it last in the line, it would be the last or the last but one. One key may take as long as some others.
    expect(order.indexOf('renewal')).toBeLessThan(11);
  });
});
