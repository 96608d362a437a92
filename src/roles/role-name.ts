import { visibleText } from '../platform/http/visible-text.js';

/** The built-in roles and their descriptions. They can be neither renamed nor deleted. */
export const builtInRoles: Readonly<Record<string, string>> = {
  admin: 'May do everything.',
  operator: 'May issue from every authority and look after rotation, notifications and jobs.',
  'read-only': 'May look and not touch; beats every other role of its holder.',
  auditor: 'May read the audit log, beside what other roles allow.',
  global_cert_issuer: 'May issue for names that the domain policy keeps from others.',
};

/** In strict mode every user must hold one of these. */
export const strictRoles: readonly string[] = ['admin', 'operator', 'read-only'];

/** Homoglyphs of the Latin letters in the reserved names: other scripts, small capitals, digits (from Unicode TR39). */
const lookalikes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    a: 'аαɑᴀ',
    b: 'ьβʙ',
    c: 'сϲᴄ',
    d: 'ԁɗᴅ',
    e: 'еєεҽᴇ',
    g: 'ɡԍցɢ',
    i: 'іιıɩɪ',
    l: 'ӏłʟ1|',
    m: 'мᴍ',
    n: 'пηոɴ',
    o: 'оοօᴏ0',
    p: 'рρᴘ',
    r: 'гʀᴦ',
    s: 'ѕꜱ',
    t: 'тτᴛ',
    u: 'υսᴜ',
    v: 'ν',
    y: 'уүγʏ',
  }).flatMap(([latin, others]) => [...others].map((other) => [other, latin])),
);

/**
 * Reduces a name to its appearance: ignores compatibility forms, case, accents, separators, invisible characters and
 * homoglyphs.
 */
function skeletonOf(name: string): string {
  const letters = name
    .normalize('NFKD')
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}|]/gu, '');
  // Upper-case I and lower-case l look the same.
  return [...letters]
    .map((letter) => lookalikes.get(letter) ?? letter)
    .join('')
    .replaceAll('l', 'i');
}

const reserved: ReadonlySet<string> = new Set([...Object.keys(builtInRoles), 'creator'].map(skeletonOf));

/** True for a built-in name, or one that looks like it. Such a name can be neither a new role nor an owner. */
export function isReserved(name: string): boolean {
  return reserved.has(skeletonOf(name));
}

const Name = visibleText(128).refine((name) => !isReserved(name), 'is a reserved name');

/** The name of a new role: 1-128 characters, not reserved. */
export const RoleName = Name.meta({ description: 'Unique, ignoring case; built-in names are reserved.' });

const atom = "[\\w!#$%&'*+/=?^`{|}~-]+";
const tail = '[a-z0-9-]{0,61}[a-z0-9]';
/** A dot-atom of RFC 5322 §3.2.3 at a host, within the limits of RFC 5321 §4.5.3.1.1 and RFC 1035 §2.3.4. */
const deliverable = new RegExp(`^(?=[^@]{1,64}@)${atom}(\\.${atom})*@([a-z0-9](${tail})?\\.)+[a-z]${tail}$`);

/** The owner of an object: the e-mail address of a team, in lower case. It is also the name of the owner role. */
export const OwnerName = Name.toLowerCase()
  .refine((name) => deliverable.test(name), 'must be one e-mail address')
  .meta({ description: 'E-mail address of the owning team.' });
