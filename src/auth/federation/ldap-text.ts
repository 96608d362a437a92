const plainInDn = /[A-Za-z0-9]/;
// Only ASCII: the library reads each escape as one character, not as one byte of UTF-8, and RFC 4515 lets other letters
// stand as they are.
const specialInFilter = /[\\*()\x00-\x1f\x7f]/g;

/** Text as a value inside a filter (RFC 4515 §3): what has a meaning there, and control characters, become `\xx`. */
export function inFilter(value: string): string {
  return value.replace(specialInFilter, (character) => hex(character));
}

/** Text as an attribute value inside a DN (RFC 4514 §2.4): everything but letters and digits of ASCII becomes `\xx`. */
export function inDn(value: string): string {
  return [...value].map((character) => (plainInDn.test(character) ? character : hex(character))).join('');
}

/** The template with the name in the place of `{username}`; `escape` makes the name harmless there. */
export function withUsername(template: string, name: string, escape: (value: string) => string): string {
  // A function: in a text, `$&` would have a meaning of its own.
  return template.replaceAll('{username}', () => escape(name));
}

function hex(text: string): string {
  return [...Buffer.from(text, 'utf8')].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
}
