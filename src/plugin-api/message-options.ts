import { secret } from './options.js';
import type { z } from 'zod';

/**
 * An address that lets everybody who knows it post: sealed and never shown. Who changes it must send the other secrets
 * again.
 */
export function secretUrl(title: string, description: string): z.ZodString {
  return secret(title, description).max(2048).refine(isPlainHttp, httpOnly).meta({ format: 'uri' });
}

export const httpOnly = 'must be an http or https URL without user name, password and fragment';

/** An http or https URL that holds neither credentials of its own nor a fragment. */
export function isPlainHttp(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username === '' && password === '' && hash === '';
}
