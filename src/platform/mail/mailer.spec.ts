import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createHash } from 'node:crypto';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import type { PluginError } from '../../plugin-api/errors.js';
import { loadConfig } from '../config.js';
import { PageQuery } from '../http/page.js';
import { Mail } from './mail.entity.js';
import { MailRepository } from './mail.repository.js';
import { Mailer } from './mailer.js';

interface Received {
  to: string[];
  raw: string;
}

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase([Mail]);
});
afterAll(() => test.drop());

const running: { close(): void }[] = [];
afterEach(() => running.splice(0).forEach((thing) => thing.close()));

const mail = {
  to: ['a@example.org', 'b@example.org'],
  subject: 'Zertifikat für Ärger läuft ab ⏰',
  text: 'Grüße 👋',
  html: '<p>Grüße 👋</p>',
  dedupeKey: 'notice.1',
};

function reply(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

async function server(options: SMTPServerOptions = {}): Promise<{ port: number; received: Received[] }> {
  const received: Received[] = [];
  const smtp = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          received.push({
            to: session.envelope.rcptTo.map(({ address }) => address),
            raw: Buffer.concat(chunks).toString('latin1'),
          });
          done();
        });
    },
    ...options,
  });
  smtp.on('error', () => undefined);
  running.push({ close: () => smtp.close() });
  smtp.listen(0, '127.0.0.1');
  await once(smtp.server, 'listening');
  return { port: (smtp.server.address() as AddressInfo).port, received };
}

function mailerFor(url: string | undefined): Mailer {
  const mailer = new Mailer(
    loadConfig({ SMTP_URL: url, MAIL_FROM: 'Perennial <perennial@pki.example.org>' }),
    test.db,
    new MailRepository(),
  );
  running.push({ close: () => mailer.onApplicationShutdown() });
  return mailer;
}

async function failure(work: Promise<void>): Promise<PluginError> {
  return work.then(
    () => {
      throw new Error('It worked.');
    },
    (error: PluginError) => error,
  );
}

describe('Mailer with a server', () => {
  it('sends text and HTML with a subject in UTF-8', async () => {
    const { port, received } = await server();
    await mailerFor(`smtp://127.0.0.1:${port}`).send(mail);
    const [{ to, raw } = { to: [], raw: '' }] = received;
    expect(to).toEqual(mail.to);
    expect(raw).toMatch(/^From: Perennial <perennial@pki\.example\.org>\r$/m);
    expect(decodedSubject(raw)).toBe(mail.subject);
    expect(raw).toMatch(/multipart\/alternative/);
    expect(partsOf(raw)).toEqual([
      ['text/plain', mail.text],
      ['text/html', mail.html],
    ]);
  });

  it('says that a program sent the mail, and of which list it is, so that no holiday notice answers', async () => {
    const { port, received } = await server();
    await mailerFor(`smtp://127.0.0.1:${port}`).send(mail);
    expect(received[0]?.raw).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(received[0]?.raw).toMatch(/^List-I[dD]: Perennial <perennial\.pki\.example\.org>\r$/m);
  });

  it('gives a mail the same Message-ID at every attempt, and another mail another', async () => {
    const { port, received } = await server();
    const mailer = mailerFor(`smtp://127.0.0.1:${port}`);
    await mailer.send(mail);
    await mailer.send(mail);
    await mailer.send({ ...mail, dedupeKey: 'notice.2' });
    const ids = received.map(({ raw }) => /^Message-ID: (.*)\r$/m.exec(raw)?.[1]);
    expect(ids[0]).toBe(`<${createHash('sha256').update('notice.1').digest('hex').slice(0, 40)}@pki.example.org>`);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it('lets nothing of a subject become a header', async () => {
    const { port, received } = await server();
    await mailerFor(`smtp://127.0.0.1:${port}`).send({ ...mail, subject: 'x\r\nBcc: evil@example.org\r\n\r\nbody' });
    expect(received[0]?.to).toEqual(mail.to);
    expect(received[0]?.raw).not.toMatch(/^Bcc:/m);
  });

  it('signs in, and says so when the server does not accept it', async () => {
    const { port, received } = await server({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        done(username === 'me' && password === 'right' ? null : reply(535, 'Authentication failed'), { user: 'me' }),
    });
    await mailerFor(`smtp://me:right@127.0.0.1:${port}`).send(mail);
    expect(received).toHaveLength(1);
    const error = await failure(mailerFor(`smtp://me:markersecret@127.0.0.1:${port}`).send(mail));
    expect(error.fault).toBe('misconfigured');
    expect(error.detail).toMatch(/^The mail server does not accept our settings: 535 /);
    expect(error.detail).not.toContain('markersecret');
  });

  it.each<[number, string, RegExp]>([
    [550, 'refused', /^The mail server refused the mail: 550 No such user \(b@example\.org; the others got it\)$/],
    [451, 'unavailable', /: 451 No such user \(b@example\.org; the others got it\)$/],
  ])('tells when one recipient is answered with %i', async (code, fault, detail) => {
    const { port, received } = await server({
      onRcptTo: ({ address }, _session, done) => done(address.startsWith('b@') ? reply(code, 'No such user') : null),
    });
    const error = await failure(mailerFor(`smtp://127.0.0.1:${port}`).send(mail));
    expect([error.name, error.fault]).toEqual(['PluginError', fault]);
    expect(error.detail).toMatch(detail);
    expect(received.map(({ to }) => to)).toEqual([['a@example.org']]);
  });

  it.each<[number, string]>([
    [550, 'refused'],
    [450, 'unavailable'],
  ])('tells when all recipients are answered with %i', async (code, fault) => {
    const { port } = await server({ onRcptTo: (_address, _session, done) => done(reply(code, 'No')) });
    expect((await failure(mailerFor(`smtp://127.0.0.1:${port}`).send(mail))).fault).toBe(fault);
  });

  it.each<[number, string]>([
    [554, 'refused'],
    [421, 'unavailable'],
  ])('tells when the message is answered with %i', async (code, fault) => {
    const { port } = await server({
      onData: (stream, _session, done) => {
        stream.resume().on('end', () => done(reply(code, 'No')));
      },
    });
    expect((await failure(mailerFor(`smtp://127.0.0.1:${port}`).send(mail))).fault).toBe(fault);
  });

  it('is unavailable while nobody listens, and works again after that', async () => {
    const { port } = await server();
    running.splice(0).forEach((thing) => thing.close());
    const mailer = mailerFor(`smtp://127.0.0.1:${port}`);
    expect((await failure(mailer.send(mail))).fault).toBe('unavailable');
    const received: string[] = [];
    const smtp = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      authOptional: true,
      onData: (stream, _session, done) => {
        stream.resume().on('end', () => {
          received.push('one');
          done();
        });
      },
    });
    running.push({ close: () => smtp.close() });
    smtp.listen(port, '127.0.0.1');
    await once(smtp.server, 'listening');
    await mailer.send(mail);
    expect(received).toEqual(['one']);
  });
});

describe('Mailer without a server', () => {
  it('keeps each mail once', async () => {
    const mailer = mailerFor(undefined);
    await mailer.send(mail);
    await mailer.send(mail);
    await mailer.send({ to: ['c@example.org'], subject: 'Two', text: 'Two', dedupeKey: 'notice.2' });
    const mails = new MailRepository();
    const {
      items: [newest, oldest],
      total,
    } = await mails.list(test.db.single, PageQuery.parse({}));
    expect(total).toBe(2);
    expect(oldest).toMatchObject({ recipients: mail.to, subject: mail.subject, text: mail.text, html: mail.html });
    expect(newest).toMatchObject({ recipients: ['c@example.org'], html: null });
    expect(newest?.createdAt).toBeInstanceOf(Date);
    expect((await mails.list(test.db.single, PageQuery.parse({ page: '2', count: '1' }))).items).toEqual([oldest]);
    expect(await mails.get(test.db.single, oldest?.id ?? 0)).toMatchObject({ ...oldest, dedupeKey: 'notice.1' });
    await expect(mails.get(test.db.single, 999)).rejects.toMatchObject({ code: 'not-found' });
  });
});

/** RFC 2047 encoded words. */
function decodedSubject(raw: string): string {
  const folded = /^Subject: ((?:.*\r\n)(?:[ \t].*\r\n)*)/m.exec(raw)?.[1] ?? '';
  const bytes = folded
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .trim()
    .replaceAll(/=\?UTF-8\?([BQ])\?(.*?)\?=/gi, (_, form: string, text: string) =>
      decoded(form === 'B' ? 'base64' : 'quoted-printable', text.replaceAll('_', ' ')),
    );
  return Buffer.from(bytes, 'latin1').toString();
}

/** Type and text of each part of a multipart message (RFC 2046). */
function partsOf(raw: string): string[][] {
  const boundary = /boundary="(.*?)"/.exec(raw)?.[1] ?? '';
  return raw
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const [head = '', body = ''] = part.split('\r\n\r\n');
      const encoding = /^Content-Transfer-Encoding: (.*)$/m.exec(head)?.[1]?.trim() ?? '';
      return [
        /^Content-Type: ([^;]*)/m.exec(head)?.[1] ?? '',
        Buffer.from(decoded(encoding, body.trimEnd()), 'latin1').toString(),
      ];
    });
}

/** Bytes as latin1. */
function decoded(encoding: string, text: string): string {
  if (encoding === 'base64') return Buffer.from(text, 'base64').toString('latin1');
  return text
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
