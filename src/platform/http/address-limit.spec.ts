import { describe, expect, it } from 'vitest';
import { AddressLimit } from './address-limit.js';

function passed(limit: AddressLimit, address: string, times: number, nowMs: number): number {
  return Array.from({ length: times }, () => limit.refusal(address, nowMs)).filter((one) => one === undefined).length;
}

describe('the limit of an address', () => {
  it('lets ten seconds worth of requests through at once, then as many as the rate', () => {
    const limit = new AddressLimit(5);
    expect(passed(limit, 'a', 60, 1000)).toBe(50);
    expect(passed(limit, 'a', 60, 1000)).toBe(0);
    expect(passed(limit, 'a', 60, 3000)).toBe(10);
    expect(passed(limit, 'a', 60, 1_000_000)).toBe(50);
  });

  it('counts each address alone, and says when to come back', () => {
    const limit = new AddressLimit(1);
    expect(passed(limit, 'a', 20, 0)).toBe(10);
    expect(passed(limit, 'b', 20, 0)).toBe(10);
    expect(limit.refusal('a', 0)).toMatchObject({ code: 'too-many-requests', extra: { retryAfterS: 1 } });
  });

  it('counts the addresses of one IPv6 /64 as one', () => {
    const limit = new AddressLimit(1);
    expect(passed(limit, '2001:db8::1', 20, 0)).toBe(10);
    expect(passed(limit, '2001:db8::2:3', 20, 0)).toBe(0);
    expect(passed(limit, '2001:db8:0:1::1', 20, 0)).toBe(10);
  });

  it('forgets the quietest address beyond 10,000', () => {
    const limit = new AddressLimit(1);
    expect(passed(limit, 'first', 20, 0)).toBe(10);
    for (let n = 0; n < 9_999; n++) limit.refusal(`n${n}`, 0);
    expect(passed(limit, 'first', 1, 0)).toBe(0);
    for (let n = 0; n < 10_000; n++) limit.refusal(`m${n}`, 0);
    expect(passed(limit, 'first', 20, 0)).toBe(10);
  });

  it('does not bound anybody at 0', () => {
    expect(passed(new AddressLimit(0), 'a', 1000, 0)).toBe(1000);
  });
});
