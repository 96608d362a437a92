import { z } from 'zod';
import { defineNotification } from '../../src/plugin-api/notification.js';

const atom = "[\\w!#$%&'*+/=?^`{|}~-]+";
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
/** The addr-spec of RFC 5321 §4.1.2 as used in practice: dot-atom and host name, at most 64 and 254 characters. */
const address = new RegExp(`^(?=.{3,254}$)(?=[^@]{1,64}@)${atom}(?:\\.${atom})*@${label}(?:\\.${label})*$`, 'i');

const options = z.strictObject({
  recipients: z
    .string()
    .max(10_000)
    .refine(
      (list) => addressesIn(list).length > 0 && addressesIn(list).every((one) => address.test(one)),
      'must be mail addresses, separated by commas',
    )
    .meta({
      title: 'Recipients',
      description: 'Mail addresses, separated by commas. The owner of the certificate is a recipient as well.',
      examples: ['pki@example.org, ops@example.org'],
    }),
});

/** Mails a message once to each of the configured recipients and the recipients of the message. */
export const email = defineNotification({
  id: 'email',
  aliases: ['email-notification'],
  title: 'Mail',
  description: 'Sends mail through the mail server of this installation.',
  options,
  hears: 'all',

  recipients: ({ recipients }) => distinct(addressesIn(recipients)),

  async send({ subject, text, html, recipients, told = [], dedupeKey }, o, ctx) {
    ctx.signal.throwIfAborted();
    const all = distinct([...addressesIn(o.recipients), ...recipients]);
    const to = all.filter((one) => !told.includes(one.toLowerCase()));
    if (to.length > 0) await ctx.site.sendMail({ to, subject, text, html, dedupeKey });
  },
});

function addressesIn(list: string): string[] {
  return list
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** Removes duplicates, ignoring case; keeps the first spelling. */
function distinct(addresses: readonly string[]): string[] {
  const known = new Map<string, string>();
  for (const one of addresses) if (!known.has(one.toLowerCase())) known.set(one.toLowerCase(), one);
  return [...known.values()];
}
