/**
 * The profiles that django-ca brings, and the ones of this program that take their places. All other profiles have
 * their own names. In django-ca `server` is for both ends of a connection.
 */
const counterparts: Readonly<Record<string, string>> = {
  webserver: 'server',
  server: 'dual-purpose',
  client: 'client',
  enduser: 'e-mail',
  ocsp: 'ocsp-responder',
};
const shown: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(counterparts).map(([theirs, ours]) => [ours, theirs]),
);

/** The name here of the profile that a client of django-ca names. */
export function profileHere(name: string): string {
  const key = name.toLowerCase();
  return Object.hasOwn(counterparts, key) ? (counterparts[key] ?? name) : name;
}

/** The name that clients of django-ca see. */
export function profileShown(name: string): string {
  return Object.hasOwn(shown, name) ? (shown[name] ?? name) : name;
}
