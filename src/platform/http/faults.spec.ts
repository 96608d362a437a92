import { describe, expect, it } from 'vitest';
import { Faults, refuseAtOnce } from './faults.js';
import { invalid, Problem } from './problem.js';

const refusing = (field: string, text: string) => (): never => {
  throw invalid(field, text);
};

describe('faults', () => {
  it('are told together, each once, by the member that they blame', async () => {
    const faults = new Faults();
    expect(faults.keep(refusing('csr', 'One.'), 'instead')).toBe('instead');
    expect(await faults.keepLater(async () => refusing('csr', 'Two.')(), 7)).toBe(7);
    faults.add('owner', 'Three.');
    faults.add('csr', 'One.');
    expect(() => faults.demandNone()).toThrow(
      expect.objectContaining({
        code: 'invalid-request',
        detail: 'One. Two. Three.',
        extra: { reasons: { csr: ['One.', 'Two.'], owner: ['Three.'] } },
      }),
    );
  });

  it('are none when all work succeeds', () => {
    const faults = new Faults();
    expect(faults.keep(() => 1, 2)).toBe(1);
    expect(() => faults.demandNone()).not.toThrow();
  });

  it('do not take another failure than the refusal of a member', () => {
    const faults = new Faults();
    for (const error of [new Error('bug'), new Problem('forbidden', 'No.'), new Problem('invalid-request', 'No.')])
      expect(() =>
        faults.keep(() => {
          throw error;
        }, null),
      ).toThrow(error);
  });

  it('are at most 100', () => {
    const faults = new Faults();
    for (let n = 0; n < 1000; n++) faults.add('csr', String(n));
    expect(faults.all).toHaveLength(100);
  });

  it('are thrown one by one where nobody collects them', () => {
    expect(() => refuseAtOnce.add('csr', 'One.')).toThrow('One.');
    expect(() => refuseAtOnce.keep(refusing('csr', 'Two.'), null)).toThrow('Two.');
  });
});
