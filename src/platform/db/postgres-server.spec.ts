import { describe, expect, it } from 'vitest';
import { startServer } from './postgres-server.js';

const probeUrl = 'postgresql:///postgres?host=/nowhere';

describe('startServer', () => {
  it('tells that a program is missing', async () => {
    await expect(
      startServer({ program: '/missing/postgres', args: [], env: {}, probeUrl, name: 'x', log: () => undefined }),
    ).rejects.toThrow('ENOENT');
  });

  it('tells the last words of a program that ends', async () => {
    const lines: string[] = [];
    const command = {
      program: 'sh',
      args: ['-c', 'seq 30; echo no luck >&2; exit 3'],
      env: process.env,
      probeUrl,
      name: 'x',
      log: (line: string) => lines.push(line),
    };
    await expect(startServer(command)).rejects.toThrow(/^PostgreSQL did not start \(exit code 3\):\n[^]*no luck/);
    expect(lines).toHaveLength(31);
  });
});
