import { describe, expect, it } from 'vitest';
import { PluginError } from './errors.js';
import { atEvery } from './targets.js';

const signal = new AbortController().signal;
const named = (...names: string[]) => names.map((name) => ({ name }));

/** The targets that were tried, and the error at the end, with a script of what fails where. */
async function tried(faults: Record<string, Error>, names: string[], rules: object = {}) {
  const seen: string[] = [];
  const error: unknown = await atEvery(named(...names), { signal, ...rules }, ({ name }) => {
    seen.push(name);
    return faults[name] ? Promise.reject(faults[name]) : Promise.resolve();
  }).catch((thrown: unknown) => thrown);
  return { seen, error };
}

describe('the targets of a verb', () => {
  it('are all tried, and the faults are told together, with the longest wait', async () => {
    const faults = {
      a: new PluginError('misconfigured', 'It is gone.'),
      c: new PluginError('unavailable', 'Busy.', 30),
      d: new PluginError('unavailable', 'Busy.', 7),
    };
    const { seen, error } = await tried(faults, ['a', 'b', 'c', 'd', 'e']);
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(error).toMatchObject({ fault: 'unavailable', detail: 'a: It is gone. c: Busy. d: Busy.', retryAfterS: 30 });
  });

  it('fail for a person who must act when no retry helps', async () => {
    const faults = { a: new PluginError('refused', 'No.'), b: new PluginError('misconfigured', 'It is gone.') };
    expect((await tried(faults, ['a', 'b'])).error).toMatchObject({ fault: 'misconfigured', retryAfterS: undefined });
    expect((await tried({ a: faults.a }, ['a', 'b'])).error).toMatchObject({ fault: 'refused', detail: 'a: No.' });
  });

  it('fail with the very error where there is one target', async () => {
    const error = new PluginError('refused', 'No.');
    expect((await tried({ a: error }, ['a'])).error).toBe(error);
  });

  it('are not tried after a fault that is that of all, nor after an abort, nor after a bug', async () => {
    const down = { a: new PluginError('refused', 'No.'), b: new PluginError('unavailable', 'Down.') };
    const isOfAll = ({ fault }: PluginError) => fault === 'unavailable';
    expect((await tried(down, ['a', 'b', 'c'], { isOfAll })).seen).toEqual(['a', 'b']);
    const bug = new TypeError('x');
    expect(await tried({ a: bug }, ['a', 'b'])).toEqual({ seen: ['a'], error: bug });
    const aborted = AbortSignal.abort(bug);
    expect(await tried({}, ['a'], { signal: aborted })).toEqual({ seen: [], error: bug });
  });

  it('are named, all of them, when many fail', async () => {
    const names = Array.from({ length: 13 }, (_, n) => `t${n}`);
    const faults = Object.fromEntries(names.map((name) => [name, new PluginError('refused', 'No.')]));
    expect((await tried(faults, names)).error).toMatchObject({
      detail: expect.stringMatching(/ t9: No\. Others that failed: t10, t11, t12\.$/) as string,
    });
  });
});
