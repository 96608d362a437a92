const plainInDn = /[A-Za-z0-9]/;
// Only ASCII: the library decodes each escape as one character, not as one byte of UTF-8, and RFC 4515 allows other
// letters unescaped.
const specialInFilter = /[\\*()\x00-\x1f\x7f]/g;

/** Escapes text for a filter (RFC 4515 §3): special and control characters become `\xx`. */
export function inFilter(value: string): string {
  return value.replace(specialInFilter, (character) => hex(character));
}

/** Escapes text for an attribute value in a DN (RFC 4514 §2.4): all but ASCII letters and digits become `\xx`. */
export function inDn(value: string): string {
  return [...value].map((character) => (plainInDn.test(character) ? character : hex(character))).join('');
}

/** Replaces `{username}` in the template with the escaped name. */
export function withUsername(template: string, name: string, escape: (value: string) => string): string {
  // A function, because `$&` in a replacement text is special.
  return template.replaceAll('{username}', () => escape(name));
}

function hex(text: string): string {
  return [...Buffer.from(text, 'utf8')].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
}
