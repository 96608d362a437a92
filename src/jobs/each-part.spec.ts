import { expect, it } from 'vitest';
import { eachPart } from './each-part.js';
import { TaskReport } from './task-report.js';

it('a part that fails does not keep the others from running, and fails the task', async () => {
  const ran: string[] = [];
  const part = (name: string, fails: boolean) => async (): Promise<void> => {
    ran.push(name);
    if (fails) throw new Error(`${name} fails`);
  };
  const report = new TaskReport();
  const parts = { first: part('first', true), second: part('second', true), third: part('third', false) };
  await expect(eachPart(report, parts)).rejects.toThrow('first fails');
  expect(ran).toEqual(['first', 'second', 'third']);
  expect(report.failures.map(({ item, error }) => `${item}: ${error}`)).toEqual([
    expect.stringMatching('first: .*first fails'),
    expect.stringMatching('second: .*second fails'),
  ]);
  await eachPart(report, { third: part('third', false) });
});
