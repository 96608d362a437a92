import { z } from 'zod';

/** The roles that exist from the first start, with what they are for. They can be neither renamed nor deleted. */
export const builtInRoles: Readonly<Record<string, string>> = {
  admin: 'May do everything.',
  operator: 'May issue from every authority and look after rotation, notifications and jobs.',
  'read-only': 'May look and not touch; beats every other role of its holder.',
  auditor: 'May read the audit log, beside what other roles allow.',
  global_cert_issuer: 'May issue for names that the domain policy keeps from others.',
};

/** In strict mode every user holds one of these. */
export const strictRoles: readonly string[] = ['admin', 'operator', 'read-only'];

/**
 * Letters of other scripts, and small capitals, that are drawn like the Latin ones in the reserved names (Unicode TR39,
 * the part that matters here).
 */
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
 * What a name looks like: compatibility forms, case, accents, separators, invisible characters and letters drawn alike
 * make no difference.
 */
function skeletonOf(name: string): string {
  const letters = name
    .normalize('NFKD')
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}|]/gu, '');
  // An upper-case I and a lower-case l look the same, too.
  return [...letters]
    .map((letter) => lookalikes.get(letter) ?? letter)
    .join('')
    .replaceAll('l', 'i');
}

const reserved: ReadonlySet<string> = new Set([...Object.keys(builtInRoles), 'creator'].map(skeletonOf));

/**
 * True for names that carry a meaning of their own, or look like one that does: they can neither be made by users nor
 * stand in an owner field.
 */
export function isReserved(name: string): boolean {
  return reserved.has(skeletonOf(name));
}

const Name = z
  .string()
  .trim()
  .min(1)
  .max(128)
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'must not contain control or invisible characters')
  .refine((name) => !isReserved(name), 'is a reserved name');

/** The name of a role that a user makes: 1-128 characters, none of the reserved names. */
export const RoleName = Name.meta({ description: 'Unique whatever its case; built-in names are reserved.' });

/** A dot-atom of RFC 5322 §3.2.3 at a host, within the limits of RFC 5321 §4.5.3.1.1 and RFC 1035 §2.3.4. */
const deliverable =
  /^(?=[^@]{1,64}@)[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/**
 * The owner of an object, lower-cased: the one e-mail address at which the owning team is told; the owner role has the
 * same name.
 */
export const OwnerName = Name.toLowerCase()
  .refine((name) => deliverable.test(name), 'must be one e-mail address')
  .meta({ description: 'E-mail address of the owning team.' });
