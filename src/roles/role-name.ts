import { z } from 'zod';

/** The roles that exist from the first start, with what they are for. They can be neither renamed nor deleted. */
export const builtInRoles: Readonly<Record<string, string>> = {
  'admin': 'May do everything.',
  'operator': 'May issue from every authority and look after rotation, notifications and jobs.',
  'read-only': 'May look and not touch; beats every other role of its holder.',
  'global_cert_issuer': 'May issue for names that the domain policy keeps from others.',
};

const reserved: ReadonlySet<string> = new Set([...Object.keys(builtInRoles), 'creator']);

/** True for names that carry a meaning of their own, and so can neither be made by users nor stand in an owner field. */
export function isReserved(name: string): boolean {
  return reserved.has(name.trim().toLowerCase());
}

const Name = z.string().trim().min(1).max(128).regex(/^\P{Cc}*$/u, 'must not contain control characters')
  .refine((name) => !isReserved(name), 'is a reserved name');

/** The name of a role that a user makes: 1-128 characters, none of the reserved names. */
export const RoleName = Name.meta({ description: 'Unique whatever its case; built-in names are reserved.' });

/** The limits of RFC 5321 §4.5.3.1.1 and RFC 1035 §2.3.4. */
const deliverable = /^[^@]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

/** The owner of an object, lower-cased: the one e-mail address at which the owning team is told; the owner role has the same name. */
export const OwnerName = Name.toLowerCase().refine((name) => z.email().safeParse(name).success && deliverable.test(name), 'must be one e-mail address').meta({ description: 'E-mail address of the owning team.' });
