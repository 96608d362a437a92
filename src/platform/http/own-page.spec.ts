import { describe, expect, it } from 'vitest';
import { demandOwnPage } from './own-page.js';

const publicUrl = 'https://pki.example.com/base';
const own = 'https://pki.example.com';

const isLetThrough = (method: string, site?: string, origin?: string): boolean => {
  const headers = { ...(site !== undefined && { 'sec-fetch-site': site }), ...(origin !== undefined && { origin }) };
  try {
    demandOwnPage({ method, headers }, publicUrl);
    return true;
  } catch {
    return false;
  }
};

describe('a request with credentials that a browser adds', () => {
  it.each<[string | undefined, string | undefined, boolean]>([
    [undefined, undefined, true],
    ['none', undefined, true],
    ['same-origin', undefined, true],
    ['same-origin', own, true],
    // Under another name than PUBLIC_URL: the browser has compared.
    ['same-origin', 'https://pki.internal', true],
    [undefined, own, true],
    ['same-site', own, false],
    ['same-site', 'https://www.example.com', false],
    ['cross-site', undefined, false],
    ['cross-site', own, false],
    ['later-word', undefined, false],
    [undefined, 'https://www.example.com', false],
    [undefined, 'http://pki.example.com', false],
    [undefined, 'https://pki.example.com:8443', false],
    [undefined, 'https://pki.example.com.evil.example', false],
    [undefined, 'null', false],
    ['none', 'https://www.example.com', false],
  ])('from the site %s and the origin %s is let through: %s', (site, origin, expected) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) expect(isLetThrough(method, site, origin)).toBe(expected);
    for (const method of ['GET', 'HEAD', 'OPTIONS']) expect(isLetThrough(method, site, origin)).toBe(true);
  });
});
