import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { limitedTo } from './time-limit.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('a signal with a time limit is aborted in time, also when garbage is collected before', async () => {
  const signal = limitedTo(200, new AbortController().signal);
  const aborted = once(signal, 'abort');
  for (let times = 0; times < 5; times += 1) {
    await sleep(10);
    collectGarbage();
  }
  await aborted;
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
});

it('a signal with a time limit is aborted with the others', () => {
  const other = new AbortController();
  const signal = limitedTo(60_000, other.signal);
  other.abort('enough');
  expect(signal.reason).toBe('enough');
});
