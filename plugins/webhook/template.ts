import Handlebars from 'handlebars';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { NotificationMessage } from '../../src/plugin-api/notification.js';
import { templateFault } from '../../src/plugin-api/template-rules.js';

/** The formats of a body, each with its media type and the way in which it escapes a value. */
export const formats = {
  json: { type: 'application/json', escape: (text: string) => JSON.stringify(text).slice(1, -1) },
  form: { type: 'application/x-www-form-urlencoded', escape: inForm },
  xml: { type: 'application/xml', escape: inXml },
  text: { type: 'text/plain; charset=utf-8', escape: (text: string) => text },
} as const;
export type Format = keyof typeof formats;

/** Without helpers that look further than the values of the message. */
const language = { noEscape: true, knownHelpersOnly: true, knownHelpers: { lookup: false, log: false } };
/** Said, so that it does not warn on the console. */
const ownMembers = { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false };
const engine = Handlebars.create();

/**
 * The body that a template makes of a message. Every value is escaped for the format beforehand, so that none can end
 * the string or element in which it stands; `json` is the whole message, in JSON as it is. Throws PluginError
 * `misconfigured` for a template that cannot be read or makes no JSON.
 */
export function bodyOf(template: string, format: Format, message: NotificationMessage, now: Date): string {
  const values = valuesOf(message, now);
  const { escape } = formats[format];
  const json = JSON.stringify(values);
  const view = { ...(escaped(values, escape) as object), json: format === 'json' ? json : escape(json) };
  const body = rendered(template, view);
  if (format === 'json') demandJson(body);
  return body;
}

/**
 * Why a template cannot be used for messages about no, one and several certificates; null when it can. `format` decides
 * on what it must make.
 */
export function faultOf(template: string, format: Format): string | null {
  try {
    for (const count of [0, 1, 2]) bodyOf(template, format, sampleOf(count), new Date(0));
    return null;
  } catch (error) {
    if (error instanceof PluginError) return error.detail;
    throw error;
  }
}

function valuesOf(message: NotificationMessage, now: Date): Record<string, unknown> {
  const { event, subject, text, severity, content, incidents, recipients, dedupeKey, data } = message;
  const cards = content.cards.map(({ title, url, facts }) => ({
    title,
    url,
    facts: facts.map(([label, value]) => ({ label, value })),
  }));
  return {
    event,
    severity,
    subject,
    text,
    heading: content.heading,
    paragraphs: content.paragraphs,
    cards,
    incidents,
    recipients,
    dedupeKey,
    timestamp: now.toISOString(),
    data,
  };
}

/** The values as JSON has them, dates as text, with every text escaped. */
function escaped(values: unknown, escape: (text: string) => string): unknown {
  return JSON.parse(JSON.stringify(values), (_, value: unknown) => (typeof value === 'string' ? escape(value) : value));
}

function rendered(template: string, view: object): string {
  try {
    const broken = templateFault(engine.parse(template), { isEscaped: false });
    if (broken !== null) throw new Error(broken);
    return engine.compile<object>(template, language)(view, ownMembers);
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    const words = [...new Set([lines[0], lines.at(-1)])].join(' ');
    throw new PluginError('misconfigured', `The template cannot be read: ${words}.`);
  }
}

function demandJson(body: string): void {
  try {
    JSON.parse(body);
  } catch (error) {
    throw new PluginError('misconfigured', `The template makes no JSON: ${(error as Error).message}.`);
  }
}

/** A lone surrogate has no encoding. */
function inForm(text: string): string {
  return encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, '\ufffd'));
}

function inXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, ' ')
    .replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A message about so many certificates, to try a template on. */
function sampleOf(count: number): NotificationMessage {
  const many = <T>(one: T): T[] => Array<T>(count).fill(one);
  const url = 'https://pki.example.org/1';
  const summary = 'www.example.org expires in 12 days';
  return {
    event: 'certificate.expiring',
    subject: summary,
    text: 'A certificate expires\n\n"Quoted"',
    severity: 'warning',
    content: {
      heading: 'A certificate expires',
      paragraphs: many('Renew what is still needed.'),
      cards: many({ title: 'www.example.org', url, facts: [['Owner', 'web@example.org']] }),
    },
    incidents: many({ action: 'open', key: url, summary, severity: 'warning', url }),
    recipients: ['web@example.org'],
    dedupeKey: 'sample',
    data: { certificates: many({ id: 1, name: 'www.example.org' }) },
  };
}
