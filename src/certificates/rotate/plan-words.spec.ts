import { describe, expect, it } from 'vitest';
import { explanationOf, type PlanParts, remediesOf, wordsOfReplacement } from './plan-words.js';

const at = new Date('2026-03-02T00:00:00Z');
const parts: PlanParts = {
  text: 'The policy says 30 days before expiry.',
  at,
  obstacle: undefined,
  hold: null,
  authority: { name: 'root', active: true },
  keyType: 'ECCPRIME256V1',
  destinations: [{ label: 'web' }, { label: 'lb' }],
  use: { hasKey: true, endpoints: 0, servedAt: [], seenAt: null },
  attempts: 0,
  detail: null,
  rights: { allowed: true, text: 'Joe may.' },
  refusal: null,
};

describe('the explanation of a plan', () => {
  it('says when, who issues, and where the successor goes', () => {
    expect(explanationOf(parts)).toEqual([
      'The policy says 30 days before expiry.',
      'root issues its successor, with a new ECCPRIME256V1 key.',
      'The successor is delivered to web, lb. This certificate is superseded when it has arrived everywhere.',
    ]);
    expect(remediesOf(parts)).toEqual([]);
  });

  it('says what holds the renewal, and when nothing holds it any more', () => {
    expect(explanationOf({ ...parts, hold: { text: 'It is paused.', emergency: { at, cause: 'expiry' } } })).toEqual(
      expect.arrayContaining([
        'It is paused.',
        'From 2026-03-02T00:00:00+00:00 on nothing holds it any more: it is about to expire then.',
      ]),
    );
  });

  it('is one sentence for a certificate that is not renewed, with what a person can do', () => {
    const off = { ...parts, at: null, obstacle: 'rotation-off' as const, text: 'Rotation is switched off for it.' };
    expect(explanationOf(off)).toEqual(['Rotation is switched off for it.']);
    expect(remediesOf(off)).toEqual([expect.stringContaining('"rotation": true')]);
  });

  it('says that the renewal fails, and not that the authority issues a successor', () => {
    const refusal = 'The authority itself ends.';
    const rights = { allowed: false, text: 'Joe may not.' };
    expect(explanationOf({ ...parts, refusal })).toEqual([parts.text, `As things are, it fails: ${refusal}`]);
    expect(remediesOf({ ...parts, refusal })).toEqual([`As things are, its renewal fails: ${refusal}`]);
    expect(remediesOf({ ...parts, refusal, rights })).toEqual([expect.stringContaining('Joe may not.')]);
  });

  it('names every obstacle that a renewal will meet', () => {
    const failing = {
      ...parts,
      authority: { name: 'root', active: false },
      destinations: [],
      attempts: 3,
      detail: 'The CA does not answer.',
      rights: { allowed: false, text: 'Joe may not.' },
    };
    expect(remediesOf(failing)).toEqual([
      expect.stringContaining('root is inactive'),
      '3 attempts in a row failed: The CA does not answer.',
      expect.stringContaining('Give it a destination'),
    ]);
  });

  it('says where successors must be installed by hand, and that a key that is not here is not kept', () => {
    const use = { hasKey: false, endpoints: 6, servedAt: ['a:443', 'b:443'], seenAt: at };
    expect(remediesOf({ ...parts, destinations: [], use })).toEqual([
      expect.stringContaining('Its private key is not here.'),
      'Give it a destination, or install each successor by hand at a:443, b:443 and elsewhere.',
    ]);
    expect(remediesOf({ ...parts, use })).toEqual([]);
    const nobody = { authority: null, rights: { allowed: false, text: 'No authority is known.' } };
    expect(remediesOf({ ...parts, ...nobody, at: null, obstacle: 'no-issuer', use })).toEqual([
      expect.stringContaining('/adopt'),
    ]);
  });

  it('says where a certificate is still served that has a successor, and when that was seen', () => {
    const use = { hasKey: true, endpoints: 1, servedAt: ['a:443'], seenAt: at };
    const told = { ...parts, at: null, text: 'It has been superseded.', obstacle: 'superseded' as const };
    expect(remediesOf({ ...told, use })).toContain('It is still served at a:443, as of 2026-03-02T00:00:00+00:00.');
    expect(remediesOf({ ...told, use: { ...use, endpoints: 0, servedAt: [], seenAt: null } })).toHaveLength(1);
  });
});

describe('the words on a replacement run', () => {
  const base = { runId: 5, runState: 'running', reason: 'Key leaked', certificateId: 7 } as const;
  const waiting = { ...base, state: 'waiting', successorId: null, problemDetail: null } as const;

  it.each([
    [7, waiting, 'Replacement run 5 is to replace it (Key leaked).'],
    [
      7,
      { ...waiting, problemDetail: 'It is paused.' },
      'Replacement run 5 is to replace it (Key leaked). It is paused.',
    ],
    [
      7,
      { ...waiting, runState: 'paused' as const },
      'Replacement run 5 replaces it once the run is resumed (Key leaked).',
    ],
    [
      7,
      { ...waiting, state: 'done' as const, successorId: 9 },
      'Replacement run 5 requested its successor (Key leaked).',
    ],
    [
      9,
      { ...waiting, state: 'done' as const, successorId: 9 },
      'Replacement run 5 requested it in place of certificate 7 (Key leaked).',
    ],
    [
      7,
      { ...waiting, state: 'failed' as const, problemDetail: 'Its key is not here.' },
      'Replacement run 5 could not replace it (Key leaked): Its key is not here.',
    ],
  ])('say of certificate %i what the run did or will do', (id, found, words) => {
    expect(wordsOfReplacement(found, id)).toBe(words);
  });
});
