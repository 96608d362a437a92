import type { AuthorityMemory, OrderRequest } from '../../src/plugin-api/issuer.js';

/** What a verb of an issuer gets that remembers nothing of its authority. */
export const noMemory: AuthorityMemory = { saveAuthority: (state) => Promise.resolve(state) };

/** What an order gets beside its request: nothing is kept, and every challenge counts as answered. */
export const noKeeping: Pick<OrderRequest, 'save' | 'challenges' | keyof AuthorityMemory> = {
  ...noMemory,
  save: () => Promise.resolve(),
  challenges: {
    canPresent: () => Promise.resolve(true),
    present: () => Promise.resolve('visible'),
    withdraw: () => Promise.resolve(),
  },
};
