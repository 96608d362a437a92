import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { incidentsOf } from '../../src/notifications/incidents.js';
import type { CertificateFacts, NoticeData } from '../../src/notifications/notice-data.js';
import { renderNotice } from '../../src/notifications/notice-texts.js';
import type { PluginFault } from '../../src/plugin-api/errors.js';
import type { NoticeEvent } from '../../src/plugin-api/events.js';
import type { NotificationMessage, NotificationPlugin } from '../../src/plugin-api/notification.js';
import type { Options, OptionSchema } from '../../src/plugin-api/options.js';
import { type Exchange, type Reply, type StandIn, type StandInFault, startStandIn } from '../fakes/stand-in.js';
import { contextFor } from './dns-service.js';
import { failureOf } from './issuer-faults.js';

/** What people see of a message: its text without markup, and where links lead. */
export interface Shown {
  text: string;
  links: readonly string[];
}

/** A notification plugin and the stand-in for its service. */
export interface ChannelBench<S extends OptionSchema> {
  plugin: NotificationPlugin<S>;
  options: Options<S>;
  /** The same with a credential that the service does not know. */
  wrong: Options<S>;
  /** Texts that must never be seen. */
  secrets: readonly string[];
  /** The service; it throws for what the real one refuses. What it takes, it adds to `taken` as people see it. */
  answer(exchange: Exchange, taken: Shown[]): Reply;
}

const publicUrl = 'https://pki.example.org';
export const now = new Date('2026-03-01T12:00:00Z');
const setting = { publicUrl, now };
export const urlOf = (id: number): string => `${publicUrl}/api/1/certificates/${id}`;

/** A certificate whose facts can be overridden. */
export function facts(id: number, more: Partial<CertificateFacts> = {}): CertificateFacts {
  const commonName = `www${id}.example.org`;
  const notAfter = new Date('2026-03-13T12:30:00Z');
  return {
    id,
    name: `${commonName}-CA-${id}`,
    commonName,
    owner: 'web@example.org',
    serialHex: '0a01',
    notAfter,
    ...more,
  };
}

/** The message about an event, as the program writes it. */
export function messageOf<E extends NoticeEvent>(
  event: E,
  data: Omit<NoticeData[E], keyof typeof setting>,
): NotificationMessage {
  const whole = { ...data, ...setting } as NoticeData[E];
  const rendered = renderNotice(event, whole);
  return {
    event,
    ...rendered,
    ...incidentsOf(event, whole, rendered.subject),
    data: { ...whole },
    recipients: [],
    dedupeKey: `${event}:1`,
  };
}

/** Certificates of which each needs a person. */
export function expiring(...certificates: CertificateFacts[]): NotificationMessage {
  const more = { renewal: { renewsAt: null, reason: 'rotation is off' }, endpoints: 0, servedAt: [] };
  return messageOf('certificate.expiring', { certificates: certificates.map((one) => ({ ...one, ...more })) });
}

export const testMessage: NotificationMessage = {
  event: 'notification.test',
  subject: 'Test of ops',
  text: 'This is a test',
  content: { heading: 'This is a test', paragraphs: ['admin tested whether messages arrive.'], cards: [] },
  severity: 'info',
  incidents: [
    {
      action: 'open',
      key: `${publicUrl}/api/1/channels/1#t`,
      summary: 'Test of ops',
      severity: 'info',
      url: publicUrl,
    },
  ],
  data: { channel: 'ops' },
  recipients: [],
  dedupeKey: 'notification.test:1:x',
};

/** Names that are markup, a mention or a link somewhere. */
const hostile = [
  '*.wild.example, *bold* _it_ ~gone~ `code`',
  '<!channel> <@U1> <https://evil.example|here> @everyone <@&1>',
  '</b><a href="https://evil.example">x</a>&amp;&lt;',
  '[here](https://evil.example) **b** ||spoiler|| > # - 1. \\',
  '1. ~~one~~ two',
  '>>> - # + quoted',
  '{{json secret}} ${7*7} {{DATE(2026-01-01T00:00:00Z)}} :skull:',
  'Grüße 🚀 "quoted" \'single\' https://evil.example/?a=1&b=2',
];

const faults: readonly (readonly [string, StandInFault['kind'], PluginFault, number | undefined])[] = [
  ['breaks the connection', 'drop', 'unavailable', undefined],
  ['answers 500', { status: 500, body: '' }, 'unavailable', undefined],
  ['answers 503 in HTML', { status: 503, body: '<html>', headers: { 'retry-after': '120' } }, 'unavailable', 120],
  ['answers 429', { status: 429, body: '', headers: { 'retry-after': '7' } }, 'unavailable', 7],
  ['answers 429 without a time', { status: 429, body: '' }, 'unavailable', undefined],
];

/** What every channel must do, over its stand-in. `more` are the tests of one service alone. */
export function describeChannel<S extends OptionSchema>(
  name: string,
  bench: ChannelBench<S>,
  more?: (service: {
    standIn: () => StandIn;
    send: (message: NotificationMessage, o?: Options<S>) => Promise<Shown[]>;
  }) => void,
): void {
  const { plugin, options, wrong, secrets } = bench;
  const taken: Shown[] = [];
  let standIn: StandIn;
  beforeAll(async () => {
    standIn = await startStandIn((exchange) => bench.answer(exchange, taken));
  });
  beforeEach(() => void taken.splice(0));
  afterAll(() => standIn.stop());
  const send = async (message: NotificationMessage, o = options): Promise<Shown[]> => {
    await plugin.send(message, o, { ...contextFor(standIn), now: () => now });
    return taken;
  };

  describe(name, () => {
    it('tells what happened to which certificate, and leads to it', async () => {
      const [shown, ...others] = await send(expiring(facts(7)));
      expect(others).toEqual([]);
      expect(shown?.text).toContain('www7.example.org expires in 12 days');
      expect(shown?.text).toContain('Renew what is still needed, and revoke what is not.');
      expect(shown?.text).toMatch(/Owner: web@example\.org/);
      expect(shown?.links).toContain(urlOf(7));
    });

    it('takes a test message', async () => {
      expect((await send(testMessage)).map(({ text }) => text)).toEqual([expect.stringContaining('Test of ops')]);
    });

    it.each(hostile)('shows the name %j as it is, and no link but its own', async (hostileName) => {
      const certificate = facts(7, { name: hostileName, commonName: hostileName, owner: hostileName });
      const [shown] = await send(expiring(certificate));
      expect(shown?.text).toContain(hostileName);
      expect([...new Set(shown?.links)]).toEqual([urlOf(7)]);
    });

    it.each([
      ['plain', 'a'.repeat(300)],
      ['escaped', '<&>*_`"\\'.repeat(40)],
      ['wide', '🚀ü'.repeat(100)],
    ])('cuts a message about 200 certificates with %s names to what the service takes', async (_, long) => {
      const many = Array.from({ length: 200 }, (__, i) => facts(i + 1, { name: long, commonName: long, owner: long }));
      const shown = await send(expiring(...many));
      expect(shown).toHaveLength(1);
      expect(shown[0]?.text).toContain('200 certificates');
      expect(shown[0]?.text).not.toMatch(/\p{Surrogate}/u);
    });

    it('cuts long names and reasons to what the service takes', async () => {
      const [destination, commonName] = ['d'.repeat(200), 'c'.repeat(200)];
      const failure = {
        what: 'delivery' as const,
        reason: '<&>*_`"\\🚀'.repeat(1000),
        attempts: 1,
        nextAttemptAt: null,
      };
      const message = messageOf('delivery.failing', { certificate: facts(7, { commonName }), destination, ...failure });
      const [shown] = await send(message);
      expect(shown?.text).toContain(': delivery to dddd');
      expect(shown?.text).toContain('Reason: <&>*_`"\\🚀');
      expect(shown?.text).not.toMatch(/\p{Surrogate}/u);
    });

    it.each(faults)('fails in clear text while the service %s', async (_, kind, fault, waitS) => {
      standIn.fail({ on: /./, kind });
      const failure = await failureOf(send(expiring(facts(7))), secrets);
      expect([failure.fault, failure.retryAfterS]).toEqual([fault, waitS]);
    });

    it('needs a person when the credential is wrong', async () => {
      const failure = await failureOf(send(expiring(facts(7)), wrong), secrets);
      expect(failure.fault).toBe('misconfigured');
      expect(taken).toEqual([]);
    });

    more?.({ standIn: () => standIn, send });
  });
}
