import { createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyRing, KeyRingError } from './key-ring.js';
import { Sealed, sealedColumn } from './sealed.js';

const place = 'certificate.sealed_key.4c9a2a0e-6f0c-4f43-9d59-3f6d0e3d0f10';
const oldKey = { id: 'old', key: randomBytes(32) };
const newKey = { id: null, key: randomBytes(32) };

describe('KeyRing', () => {
  it('opens what it sealed, text and bytes, whatever they are', () => {
    const ring = new KeyRing([oldKey]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, text) => {
        expect(ring.open(ring.seal(Buffer.from(bytes), text), text)).toEqual(Buffer.from(bytes));
        expect(ring.open(ring.seal(text, place), place).toString()).toBe(Buffer.from(text).toString());
      }),
    );
  });

  it('writes plain AES-256-GCM with the place as associated data', () => {
    const { bytes } = new KeyRing([oldKey]).seal('marker', place);
    expect(bytes.subarray(0, 5).toString('latin1')).toBe('\x01\x03old');
    const gcm = createDecipheriv('aes-256-gcm', oldKey.key, bytes.subarray(5, 17))
      .setAAD(Buffer.from(place))
      .setAuthTag(bytes.subarray(17, 33));
    expect(Buffer.concat([gcm.update(bytes.subarray(33)), gcm.final()]).toString()).toBe('marker');
    expect(bytes.includes('marker')).toBe(false);
  });

  it('names a key without an id by its hash', () => {
    expect(new KeyRing([newKey]).sealingKeyId).toBe(createHash('sha256').update(newKey.key).digest('hex').slice(0, 8));
  });

  it('never repeats itself', () => {
    const ring = new KeyRing([oldKey]);
    expect(ring.seal('x', place).bytes).not.toEqual(ring.seal('x', place).bytes);
  });

  it('does not open a value in another place', () => {
    const ring = new KeyRing([oldKey]);
    expect(() => ring.open(ring.seal('x', place), `${place}1`)).toThrow(KeyRingError);
  });

  it('does not open a value of which any bit was changed', () => {
    const ring = new KeyRing([oldKey]);
    const { bytes } = ring.seal('some secret', place);
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => ring.open(Sealed.fromBytes(changed), place)).toThrow();
      }),
    );
  });

  it('seals with the first key and opens with all', () => {
    const sealed = new KeyRing([oldKey]).seal('x', place);
    const both = new KeyRing([newKey, oldKey]);
    expect(both.open(sealed, place).toString()).toBe('x');
    expect(both.needsRekey(sealed)).toBe(true);
    const moved = both.rekey(sealed, place);
    expect(both.needsRekey(moved)).toBe(false);
    expect(both.rekey(moved, place)).toBe(moved);
    expect(new KeyRing([newKey]).open(moved, place).toString()).toBe('x');
  });

  it('says which key is missing', () => {
    const sealed = new KeyRing([oldKey]).seal('x', place);
    expect(() => new KeyRing([newKey]).open(sealed, place)).toThrow(/Key "old" is missing/);
  });

  it('refuses a ring that is empty, has a short key or two keys of one name', () => {
    expect(() => new KeyRing([])).toThrow(KeyRingError);
    expect(() => new KeyRing([{ id: 'a', key: randomBytes(16) }])).toThrow(/16 bytes/);
    expect(() => new KeyRing([oldKey, { id: 'old', key: randomBytes(32) }])).toThrow(/two keys/);
  });

  it('shows no key', () => {
    const ring = new KeyRing([oldKey]);
    expect(`${inspect(ring, { depth: 9, showHidden: true })}${JSON.stringify({ ring })}`).not.toMatch(
      /Buffer|KeyObject/,
    );
  });
});

describe('Sealed', () => {
  const sealed = new KeyRing([oldKey]).seal('marker', place);

  it('has no text form', () => {
    expect(() => JSON.stringify({ deep: [sealed] })).toThrow(TypeError);
    expect(() => String(sealed)).toThrow(TypeError);
    // eslint-disable-next-line @typescript-eslint/restrict-template-expressions -- this is the mistake that must fail
    expect(() => `${sealed}`).toThrow(TypeError);
    expect(() => 'a' + (sealed as unknown as string)).toThrow(TypeError);
    expect(inspect({ sealed }, { showHidden: true })).toBe('{ sealed: [sealed] }');
    expect(Object.keys(sealed)).toEqual([]);
  });

  it('cannot be changed through its bytes', () => {
    sealed.bytes.fill(0);
    expect(new KeyRing([oldKey]).open(sealed, place).toString()).toBe('marker');
  });

  it.each([
    Buffer.alloc(0),
    Buffer.from([1]),
    Buffer.from([1, 0, 1]),
    Buffer.from('plain text that is long enough to be mistaken for it'),
    sealed.bytes.subarray(0, 32),
  ])('refuses bytes that are no envelope', (bytes) => {
    expect(() => Sealed.fromBytes(bytes)).toThrow(/not a sealed value/);
  });

  it('goes through a column and back', () => {
    const stored: unknown = sealedColumn.to(sealed);
    expect((sealedColumn.from(stored) as Sealed).bytes).toEqual(sealed.bytes);
    expect(sealedColumn.to(null)).toBeNull();
    expect(sealedColumn.from(null)).toBeNull();
    expect(sealedColumn.to(undefined)).toBeUndefined();
  });
});
