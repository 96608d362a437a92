import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { apiKeyHash, isApiKeySecret, newApiKeySecret } from './api-key-secret.js';

describe('the secret of an API key', () => {
  it('has 256 random bits behind a prefix that scanners find', () => {
    const secrets = Array.from({ length: 500 }, newApiKeySecret);
    expect(new Set(secrets).size).toBe(500);
    for (const secret of secrets) expect(secret).toMatch(/^prn_[0-9A-Za-z]{49}$/);
    expect(secrets.every(isApiKeySecret)).toBe(true);
  });

  it('is distinguished from other text by its checksum', () => {
    const secret = newApiKeySecret();
    const changed = secret.slice(0, 20) + (secret[20] === 'a' ? 'b' : 'a') + secret.slice(21);
    for (const other of [
      changed,
      secret.slice(0, -1),
      `${secret}0`,
      secret.replace('prn_', 'ghp_'),
      secret.toLowerCase() === secret ? '' : secret.toLowerCase(),
      '',
    ]) {
      expect(isApiKeySecret(other), other).toBe(false);
    }
  });

  it('is stored as its SHA-256', () => {
    expect(apiKeyHash('prn_x').toString('hex')).toBe(createHash('sha256').update('prn_x').digest('hex'));
  });
});
