import { z } from 'zod';
import { secretUrl } from '../../src/plugin-api/message-options.js';
import { defineNotification } from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import { postTo } from '../../src/plugin-api/receiver.js';
import { connectionOf, serviceOptions } from '../../src/plugin-api/service-options.js';
import { signatureOf, signingSecret } from './signature.js';
import { bodyOf, faultOf, type Format, formats } from './template.js';

const mostHeaders = 20;
/** A field name (RFC 9110 §5.1) and a value without control characters. */
const headerLine = /^([\w!#$%&'*+.^`|~-]{1,64}):[ \t]*([\x20-\x7e]{1,2048})$/;
/** What the program writes itself. */
const own = /^(content-|transfer-encoding$|connection$|host$|upgrade$|te$|trailer$|expect$|proxy-|webhook-)/i;

const options = z
  .strictObject({
    url: secretUrl('URL', 'Where messages are sent. It may hold a token, so that nobody sees it again.'),
    method: z.enum(['POST', 'PUT', 'PATCH']).default('POST').meta({ title: 'Method', description: 'Of the request.' }),
    format: z
      .enum(Object.keys(formats) as [Format, ...Format[]])
      .default('json')
      .meta({ title: 'Format', description: 'Of the body: decides on `Content-Type`, and on how values are escaped.' }),
    body: z
      .string()
      .min(1)
      .max(20_000)
      .default('{{json}}')
      .meta({
        title: 'Template of the body',
        description:
          'In Handlebars. Values: `event`, `severity`, `subject`, `heading`, `text`, `paragraphs`, `cards` ' +
          '(`title`, `url`, `facts` with `label` and `value`), `incidents`, `recipients`, `dedupeKey`, `timestamp`, ' +
          '`data`, and `json`: all of them.',
        examples: ['{"title": "{{subject}}", "message": "{{text}}"}'],
      }),
    headers: secret('Headers', 'One in each line, for example `Authorization: Bearer …`. Nobody sees them again.')
      .max(10_000)
      .refine((text) => headersIn(text) !== null, `must be up to ${mostHeaders} lines "Name: value", of other headers`)
      .optional(),
    secret: signingSecret('Signs every message, if it is given.').optional(),
    ...serviceOptions,
  })
  .superRefine(({ body, format }, context) => {
    const fault = faultOf(body, format);
    if (fault !== null) context.addIssue({ code: 'custom', path: ['body'], message: fault });
  });

/** Sends what a template makes of a message to any service over HTTP. */
export const webhookTemplate = defineNotification({
  id: 'webhook-template',
  title: 'Webhook with a template',
  description:
    'Sends what a template makes of a message to any service over HTTP, with a method, headers and, if wanted, a ' +
    'signature by HMAC-SHA256.',
  options,
  hears: 'all',

  async send(message, o, ctx) {
    ctx.signal.throwIfAborted();
    const now = ctx.now();
    const body = bodyOf(o.body, o.format, message, now);
    const headers = headersIn(o.headers ?? '') ?? [];
    await postTo(ctx.site, {
      name: 'The receiver',
      url: o.url,
      method: o.method,
      headers: {
        ...Object.fromEntries(headers),
        'content-type': formats[o.format].type,
        ...(o.secret !== undefined && signatureOf({ dedupeKey: message.dedupeKey, body, now }, o.secret)),
      },
      body,
      connection: connectionOf(o),
      secrets: [o.secret ?? '', ...headers.map(([, value]) => value)],
    });
  },
});

/** Names in lower case, and values; null when a line is no header, or one that the program writes itself. */
function headersIn(text: string): [name: string, value: string][] | null {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const headers = lines.flatMap((line): [string, string][] => {
    const [, name, value] = headerLine.exec(line.trim()) ?? [];
    return name === undefined || value === undefined || own.test(name) ? [] : [[name.toLowerCase(), value]];
  });
  return headers.length === lines.length && headers.length <= mostHeaders ? headers : null;
}
