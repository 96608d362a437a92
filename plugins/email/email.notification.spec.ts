import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, it } from 'vitest';
import type { NotificationMessage } from '../../src/plugin-api/notification.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { OutgoingMail } from '../../src/plugin-api/site.js';
import { loadConfig } from '../../src/platform/config.js';
import type { Database } from '../../src/platform/db/database.js';
import { Mailer } from '../../src/platform/mail/mailer.js';
import { MailRepository } from '../../src/platform/mail/mail.repository.js';
import { email } from './email.notification.js';

const message: NotificationMessage = {
  event: 'certificate.expiring',
  subject: 'Läuft ab: www.müller.example',
  text: 'Grüße',
  html: '<p>Grüße</p>',
  content: { heading: 'Läuft ab', paragraphs: ['Grüße'], cards: [] },
  severity: 'warning',
  incidents: [],
  data: {},
  recipients: ['owner@example.org', 'PKI@example.org'],
  dedupeKey: 'n.1',
};
const options = { recipients: 'pki@example.org, ops@example.org' };
const running: { close(): void }[] = [];
afterEach(() => running.splice(0).forEach((thing) => thing.close()));

function context(
  sendMail: (mail: OutgoingMail) => Promise<void>,
  signal = new AbortController().signal,
): PluginContext {
  const site = {
    sendMail,
    runCommand: () => Promise.reject(new Error()),
    fetch: () => Promise.reject(new Error('Mail needs no requests.')),
    tokenFor: () => Promise.resolve(null),
    agentFor: () => {
      throw new Error();
    },
    connect: () => Promise.reject(new Error()),
    protectedPaths: [],
  };
  return { signal, now: () => new Date(0), log: () => undefined, site };
}

/** The plugin over a real server that answers as `behaviour` says. */
async function throughServer(
  behaviour: SMTPServerOptions,
  credentials = '',
): Promise<{ ctx: PluginContext; recipients: string[]; mails: string[] }> {
  const [recipients, mails]: [string[], string[]] = [[], []];
  const smtp = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    allowInsecureAuth: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          recipients.push(...session.envelope.rcptTo.map((one) => one.address));
          mails.push(Buffer.concat(chunks).toString());
          done();
        });
    },
    ...behaviour,
  });
  smtp.on('error', () => undefined);
  smtp.listen(0, '127.0.0.1');
  await once(smtp.server, 'listening');
  const { port } = smtp.server.address() as AddressInfo;
  const mailer = new Mailer(
    loadConfig({ SMTP_URL: `smtp://${credentials}127.0.0.1:${port}` }),
    {} as Database,
    new MailRepository(),
  );
  running.push({
    close: () => {
      mailer.onApplicationShutdown();
      smtp.close();
    },
  });
  return { ctx: context((mail) => mailer.send(mail)), recipients, mails };
}

describe('email', () => {
  it('mails each address once, whatever its case', async () => {
    const { ctx, recipients, mails } = await throughServer({});
    await email.send(message, options, ctx);
    expect(recipients).toEqual(['pki@example.org', 'ops@example.org', 'owner@example.org']);
    expect(mails[0]).toMatch(/^Subject: =\?UTF-8\?/m);
    expect(mails[0]).toMatch(/text\/plain[\s\S]*text\/html/);
  });

  it.each<[string, SMTPServerOptions, string, string]>([
    [
      'misconfigured',
      {
        authOptional: false,
        onAuth: (_auth, _session, done) => done(Object.assign(new Error('No'), { responseCode: 535 })),
      },
      'me:markersecret@',
      '535',
    ],
    [
      'refused',
      { onRcptTo: (_address, _session, done) => done(Object.assign(new Error('No such user'), { responseCode: 550 })) },
      '',
      '550',
    ],
    [
      'unavailable',
      { onMailFrom: (_address, _session, done) => done(Object.assign(new Error('Busy'), { responseCode: 421 })) },
      '',
      '421',
    ],
  ])('reports that the server is %s', async (fault, behaviour, credentials, code) => {
    const { ctx } = await throughServer(behaviour, credentials);
    const error: unknown = await email.send(message, options, ctx).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'PluginError', fault, detail: expect.stringContaining(code) });
    expect((error as Error).message).not.toContain('markersecret');
  });

  it('reports that the server is down', async () => {
    const mailer = new Mailer(loadConfig({ SMTP_URL: 'smtp://127.0.0.1:1' }), {} as Database, new MailRepository());
    running.push({ close: () => mailer.onApplicationShutdown() });
    await expect(
      email.send(
        message,
        options,
        context((mail) => mailer.send(mail)),
      ),
    ).rejects.toMatchObject({ fault: 'unavailable' });
  });

  it('sends nothing after an abort', async () => {
    const sent: OutgoingMail[] = [];
    await expect(
      email.send(
        message,
        options,
        context(async (mail) => void sent.push(mail), AbortSignal.abort()),
      ),
    ).rejects.toThrow();
    expect(sent).toEqual([]);
  });
});

describe('options of email', () => {
  const accepts = (given: object): boolean => email.options.safeParse({ ...options, ...given }).success;

  it.each(['a@b.example', 'a@localhost', 'a.b+c@x-y.example, d@e.example,', "o'neil@example.org", 'x@1.example'])(
    'accepts the recipients %s',
    (recipients) => {
      expect(accepts({ recipients })).toBe(true);
    },
  );

  it.each([
    '',
    ' , ',
    'a',
    '@b.example',
    'a@',
    'a@b.example x',
    'a@b.example; c@d.example',
    'a@b.example, nonsense',
    'a@b..example',
    '.a@b.example',
    'a@-b.example',
    'a@b.example\r\nBcc: c@d.example',
    `${'a'.repeat(65)}@b.example`,
    'A <a@b.example>',
  ])('refuses the recipients %j', (recipients) => {
    expect(accepts({ recipients })).toBe(false);
  });
});
