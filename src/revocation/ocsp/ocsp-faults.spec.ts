import { describe, expect, it } from 'vitest';
import { PkiError } from '../../pki/pki-error.js';
import { Problem } from '../../platform/http/problem.js';
import { PluginError } from '../../plugin-api/errors.js';
import { OcspFaults, SigningFault } from './ocsp-faults.js';

const lint = new PkiError('lint', 'Not signed: It breaks the rule subject-in-der.');

function logged(): { lines: unknown[][]; clock: { atMs: number }; faults: OcspFaults } {
  const lines: unknown[][] = [];
  const clock = { atMs: 0, now: () => new Date(clock.atMs) };
  return { lines, clock, faults: new OcspFaults(clock, { error: (...line: unknown[]) => void lines.push(line) }) };
}

describe('the log of the OCSP responder', () => {
  it.each<[string, Error]>([
    ['a responder certificate that the lint refuses', lint],
    ['a key that is not what its options say', new PluginError('misconfigured', 'No such key')],
    ['a token that refuses', new PluginError('refused', 'Not allowed')],
    ['a key that cannot be opened', new Error('Not sealed for this')],
    ['a CA that conflicts', new Problem('conflict', 'There is already one.')],
  ])('names the authority and the cause of %s', (_, cause) => {
    const { lines, faults } = logged();
    faults.note(new SigningFault({ authorityId: 7 }, cause), 'abc');
    expect(lines).toEqual([['The OCSP responder does not answer for certificates of authority 7.', cause]]);
  });

  it.each<[string, Error]>([
    ['another process makes the responder', new Problem('unavailable', 'It is being made.')],
    ['the token is out of reach', new PluginError('unavailable', 'No answer')],
    ['the database is out of reach', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
  ])('is silent while %s', (_, cause) => {
    const { lines, faults } = logged();
    faults.note(new SigningFault({ authorityId: 7 }, cause), 'abc');
    faults.note(cause, null);
    expect(lines).toEqual([]);
  });

  it('has one line for each authority and minute, however many ask', () => {
    const { lines, clock, faults } = logged();
    const ask = (authorityId: number) => faults.note(new SigningFault({ authorityId }, lint), null);
    for (let count = 0; count < 100; count++) [7, 8].forEach(ask);
    expect(lines).toHaveLength(2);
    clock.atMs += 60_000;
    ask(7);
    expect(lines).toHaveLength(3);
  });

  it('has one line a minute for what hinders it before it knows the authority', () => {
    const { lines, faults } = logged();
    const gone = new Error('relation "revocation_version" does not exist');
    for (const publicId of [null, 'abc', null, 'abc']) faults.note(gone, publicId);
    expect(lines).toEqual([
      ['The OCSP responder does not answer.', gone],
      ['The OCSP responder does not answer.', gone],
    ]);
  });
});
