import { RevokeRequest } from '../../certificates/revoke/revoke.schema.js';

const letters = (text: string): string => text.toLowerCase().replace(/[^a-z]/g, '');

/**
 * The revocation that a text of FastPKI asks for. A text that begins with a reason of RFC 5280 in words, as `Key
 * compromise` or `keyCompromise: laptop lost`, has that reason; every other text is a comment on `unspecified`, also
 * one about a hold, since FastPKI's revocation is final.
 */
export function revocationOf(text: string | null | undefined): RevokeRequest {
  const named = reasons.find((reason) => {
    const [, rest] = split(text ?? '', letters(reason).length);
    return letters(text ?? '').startsWith(letters(reason)) && !/^[a-z]/i.test(rest);
  });
  return RevokeRequest.parse({ crlReason: named, comments: text });
}

const reasons = [
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

/** The text up to its n-th letter, and the rest. */
function split(text: string, n: number): [string, string] {
  let at = 0;
  for (let seen = 0; at < text.length && seen < n; at++) if (/[a-z]/i.test(text.charAt(at))) seen++;
  return [text.slice(0, at), text.slice(at)];
}
