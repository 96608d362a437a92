import { startVaultKv } from '../fakes/vault-kv.js';
import { serve } from './remote.js';

/** A Vault with KV engines that fails when it is told to. */
async function main(): Promise<void> {
  const vault = await startVaultKv();
  const times = (count: number, fail: () => void): void => Array.from({ length: count }).forEach(fail);
  serve({
    url: () => vault.url,
    /** So many requests are answered with 503. */
    busy: (count: number) => times(count, () => vault.fail({ on: /./, kind: { status: 503 } })),
    /** So many writes are done, and their answers lost. */
    lose: (count: number) => times(count, () => vault.fail({ on: /^(POST|PUT|DELETE) /, kind: 'lose' })),
  });
}

void main();
