import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { parseNamePattern } from '../pki/name-pattern.js';
import { encodeSubject } from '../pki/names.js';
import { parseKeyList } from '../pki/weak-keys.js';
import { parseSubjectPattern } from '../pki/subject-pattern.js';
import { PkiError } from '../pki/pki-error.js';
import type { SubjectFields } from '../plugin-api/terms.js';

/** Any text. */
export const text = z.string();

/** A whole number from `min` to `max`, written in decimal digits. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, string> {
  const wanted =
    max === Number.MAX_SAFE_INTEGER
      ? `must be a whole number, ${min} or more`
      : `must be a whole number from ${min} to ${max}`;
  return text
    .regex(/^\d{1,15}$/, wanted)
    .transform(Number)
    .pipe(z.int().min(min, wanted).max(max, wanted));
}

/** true, 1, yes or false, 0, no. */
export function flag(): z.ZodType<boolean, string> {
  return z.stringbool({ truthy: ['true', '1', 'yes'], falsy: ['false', '0', 'no'], error: 'must be true or false' });
}

/** Members between commas, spaces around them dropped; each must satisfy `member`. */
export function list<T>(member: z.ZodType<T, string>): z.ZodType<T[], string> {
  return text.transform((value) => value.split(',').map((part) => part.trim())).pipe(z.array(member));
}

/** A URL of one of `schemes`. A URL for PostgreSQL may have an empty host behind `user@`, as libpq allows. */
export function url(...schemes: string[]): z.ZodType<string, string> {
  const wanted = `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  return text.refine(
    (value) =>
      schemes.some((scheme) => value.startsWith(`${scheme}://`)) && URL.canParse(value.replace('@/', '@localhost/')),
    wanted,
  );
}

/** `host:port`, with an IPv6 address in brackets. */
export const listenAddress = text.transform((value, context): { host: string; port: number } => {
  const [, v6, name, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(value) ?? [];
  const host = v6 ?? name;
  if (host !== undefined && (v6 === undefined || isIPv6(v6)) && Number(port) <= 65535)
    return { host, port: Number(port) };
  context.addIssue('must be an address and a port such as 127.0.0.1:9090 or [::1]:9090');
  return z.NEVER;
});

/** `lane=atOnce` or `lane=atOnce/perMinute`; the lane is a kind (`authority`) or one lane (`authority:3`). */
export const laneLimit = text.transform((value, context): { lane: string; atOnce: number; perMinute?: number } => {
  const [, lane, atOnce, perMinute] = /^([a-z-]+(?::[\w.-]+)?)=([1-9]\d{0,3})(?:\/([1-9]\d{0,5}))?$/.exec(value) ?? [];
  if (lane !== undefined)
    return { lane, atOnce: Number(atOnce), ...(perMinute !== undefined && { perMinute: Number(perMinute) }) };
  context.addIssue('must be lane=runs or lane=runs/runs-a-minute such as authority=8/60 or authority:3=1');
  return z.NEVER;
});

/** An absolute path, without `..`. */
export const absolutePath = text.refine(
  (value) => value.startsWith('/') && !value.split('/').includes('..') && !value.includes('\0'),
  'must be an absolute path without ".."',
);

/** A domain name, lower case. */
export const domain = text
  .toLowerCase()
  .refine(
    (value) => /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(value),
    'must be a domain such as example.com',
  );

/** `name@host`; the host may be a bare name such as localhost. */
export const mailAddress = text.regex(/^[^\s@,<>]+@[^\s@,<>]+$/, 'must be a mail address');

/** A host name, an IP address, or a network such as 10.0.0.0/8. */
export const hostOrNetwork = text
  .toLowerCase()
  .refine(isHostOrNetwork, 'must be a host name, an IP address or a network such as 10.0.0.0/8');

function isHostOrNetwork(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/');
  const version = isIP(address);
  if (bits === undefined)
    return (
      version !== 0 ||
      (/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(address) &&
        !/^[\d.]+$/.test(address))
    );
  return rest.length === 0 && version !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}

/** A host name, `.domain` or `*.domain`, an IP address, a network, or `*`. */
export const proxyException = text
  .toLowerCase()
  .refine(
    (value) => value === '*' || isHostOrNetwork(value.replace(/^\*?\./, '')),
    'must be a host name, an IP address, a network such as 10.0.0.0/8 or *',
  );

/** An IP address, or a network such as 10.0.0.0/8. */
export const network = text
  .toLowerCase()
  .refine(
    (value) => isIP(value.split('/')[0] ?? '') !== 0 && isHostOrNetwork(value),
    'must be an IP address or a network such as 10.0.0.0/8',
  );

/** An IP address of a name server, with or without a port, an IPv6 address with a port in brackets. */
export const nameServer = text.refine((value) => {
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) ?? [];
  return isIP(value) !== 0 || ((isIPv6(v6 ?? '') || isIP(v4 ?? '') === 4) && Number(port) <= 65535);
}, 'must be an IP address such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53');

/** A set of names as rules write it (pki/name-pattern.ts), such as .example.com or 10.0.0.0/8. */
export const namePattern = spelled((value) => parseNamePattern(value).text);

/** A set of values of one attribute (pki/subject-pattern.ts), such as O=system:masters, or `none`. */
export const subjectPattern = spelled((value) => (value === 'none' ? value : parseSubjectPattern(value).text));

/** The value of a member that every subject may have, as `encodeSubject` accepts it. `label` names the attribute. */
export function subjectDefault(field: keyof SubjectFields, label: string): z.ZodOptional<z.ZodType<string, string>> {
  return spelled((value) => {
    encodeSubject({ [field]: value });
    return value;
  })
    .optional()
    .meta({ description: `${label} of subjects without one.` });
}

/** A list of keys (pki/weak-keys.ts). */
export const keyList = text.transform((value, context): ReadonlySet<string> => {
  try {
    return parseKeyList(value);
  } catch (error) {
    context.addIssue((error as Error).message);
    return z.NEVER;
  }
});

function spelled(spell: (value: string) => string): z.ZodType<string, string> {
  return text.transform((value, context): string => {
    try {
      return spell(value);
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      context.addIssue(error.message);
      return z.NEVER;
    }
  });
}

/** One key of the key ring, written as base64 of 32 bytes, with or without `id:` before it. */
export const encryptionKey = text.transform((value, context) => {
  const match = /^(?:([\w-]{1,32}):)?([A-Za-z0-9+/]{43}=)$/.exec(value);
  if (match?.[2] !== undefined) return { id: match[1] ?? null, key: Buffer.from(match[2], 'base64') };
  context.addIssue('must be base64 of 32 bytes, or id:base64 (make one with: openssl rand -base64 32)');
  return z.NEVER;
});

const argv = z
  .array(text)
  .refine(([program]) => program?.startsWith('/') === true, 'the program must be an absolute path');

/** A JSON object from a name to a program with its arguments. */
export const commands = jsonLike('{"nginx": ["/usr/sbin/nginx", "-s", "reload"]}').pipe(
  z.record(text.regex(/^[\w.-]{1,64}$/, 'a name has letters, digits, _ . -'), argv),
);

/** A JSON object from the address of a service to files with a token for it and with the CAs of its certificate. */
export const serviceFiles = jsonLike('{"https://vault.example.com:8200": {"token": "/run/secrets/vault"}}').pipe(
  z.record(url('https'), z.strictObject({ token: absolutePath.optional(), ca: absolutePath.optional() })),
);

function jsonLike(example: string): z.ZodType<unknown, string> {
  return text.transform((value, context): unknown => {
    try {
      return JSON.parse(value);
    } catch {
      context.addIssue(`must be a JSON object such as ${example}`);
      return z.NEVER;
    }
  });
}
