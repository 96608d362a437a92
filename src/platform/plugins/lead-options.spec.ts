import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { defineNotification } from '../../plugin-api/notification.js';
import { isLeadOption, lemurOptions } from './lead-options.js';
import { optionsOf } from './option-form.js';

const pager = defineNotification({
  id: 'pager',
  title: 'Pager',
  description: 'Pages people.',
  options: z
    .strictObject({
      number: z.string().regex(/^\d+$/).meta({ title: 'Number', description: 'Whom it calls.' }),
      quiet: z.boolean().default(false).meta({ title: 'Quiet', description: 'Whether it makes no sound.' }),
    })
    .refine(({ number, quiet }) => !quiet || number !== '112', { path: ['quiet'], error: 'must not be silent there' }),
  hears: 'all',
  send: () => Promise.resolve(),
});
const form = lemurOptions(pager);

describe('the options of a notification plugin for clients of Lemur', () => {
  it('begin with the lead, whatever the plugin', () => {
    expect(optionsOf(form).map(({ name }) => name)).toEqual(['interval', 'unit', 'number', 'quiet']);
    expect(['interval', 'unit', 'number'].map(isLeadOption)).toEqual([true, true, false]);
  });

  it.each<[number, string, boolean]>([
    [366, 'days', true],
    [367, 'days', false],
    [52, 'weeks', true],
    [53, 'weeks', false],
    [12, 'months', true],
    [13, 'months', false],
    [8784, 'hours', true],
    [8785, 'hours', false],
    [10, 'minutes', true],
    [0, 'days', false],
    [1.5, 'days', false],
    [1, 'years', false],
  ])('says of %d %s: %s', (interval, unit, expected) => {
    expect(form.safeParse({ number: '1', interval, unit }).success).toBe(expected);
  });

  it.each([
    [{ number: 'x' }, ['number']],
    [{ number: '112', quiet: true }, ['quiet']],
    [{ number: '1', tone: 'A' }, ['']],
  ])('are checked by the rules of the plugin, and a fault is said once: %j', (given, paths) => {
    expect(form.safeParse(given).error?.issues.map(({ path }) => path.join('.'))).toEqual(paths);
  });
});
