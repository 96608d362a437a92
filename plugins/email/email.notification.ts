import { z } from 'zod';
import { defineNotification } from '../../src/plugin-api/notification.js';

/** The addr-spec of RFC 5321 §4.1.2 as it is in use: dot-atom, then a host name; 64 and 254 characters at most. */
const address =
  /^(?=.{3,254}$)(?=[^@]{1,64}@)[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

const options = z.strictObject({
  recipients: z
    .string()
    .max(10_000)
    .refine(
      (list) => addressesIn(list).length > 0 && addressesIn(list).every((one) => address.test(one)),
      'must be mail addresses with commas between',
    )
    .meta({
      title: 'Recipients',
      description: 'Mail addresses with commas between. The owner of a certificate is told besides.',
      examples: ['pki@example.org, ops@example.org'],
    }),
});

/** Mails a message to the configured recipients and to those whom it names, each once. */
export const email = defineNotification({
  id: 'email',
  aliases: ['email-notification'],
  title: 'Mail',
  description: 'Sends mail through the mail server of this installation.',
  options,
  hears: 'all',

  recipients: ({ recipients }) => distinct(addressesIn(recipients)),

  async send({ subject, text, html, recipients, dedupeKey }, o, ctx) {
    ctx.signal.throwIfAborted();
    const to = distinct([...addressesIn(o.recipients), ...recipients]);
    await ctx.site.sendMail({ to, subject, text, html, dedupeKey });
  },
});

function addressesIn(list: string): string[] {
  return list
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** Without repetitions that differ in case alone; the first spelling stays. */
function distinct(addresses: readonly string[]): string[] {
  const known = new Map<string, string>();
  for (const one of addresses) if (!known.has(one.toLowerCase())) known.set(one.toLowerCase(), one);
  return [...known.values()];
}
