import { once } from 'node:events';
import { SMTPServer } from 'smtp-server';

/** A real mail server in this process, that keeps what it gets. */
export class Mailbox {
  mails = [];
  #server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData: (stream, session, done) => {
      const chunks = [];
      stream
        .on('data', (chunk) => chunks.push(chunk))
        .on('end', () => {
          this.mails.push(
            mailOf(
              session.envelope.rcptTo.map(({ address }) => address),
              Buffer.concat(chunks).toString('latin1'),
            ),
          );
          done();
        });
    },
  });

  /** Starts it; gives the value for SMTP_URL. */
  async listen() {
    this.#server.on('error', () => undefined);
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server.server, 'listening');
    return `smtp://127.0.0.1:${this.#server.server.address().port}`;
  }

  /** The first mail whose subject begins so. */
  find(subject) {
    return this.mails.find((mail) => mail.subject.startsWith(subject));
  }

  /** What it got, for a person. */
  describe() {
    return this.mails.length === 0
      ? 'no mail at all'
      : this.mails.map(({ to, subject }) => `to ${to.join(', ')}: ${subject}`).join('\n');
  }

  close() {
    return new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

/**
 * Recipients of the envelope, subject, and the bodies by media type. Understands what the program sends:
 * multipart/alternative.
 */
function mailOf(to, raw) {
  const { headers, body } = split(raw);
  const boundary = /boundary="([^"]+)"/.exec(headers.get('content-type') ?? '')?.[1];
  const parts =
    boundary === undefined
      ? [{ headers, body }]
      : body
          .split(`--${boundary}`)
          .slice(1, -1)
          .map((part) => split(part.replace(/^\r\n/, '')));
  const bodies = Object.fromEntries(
    parts.map((part) => [part.headers.get('content-type')?.split(';')[0] ?? 'text/plain', decoded(part)]),
  );
  return {
    to,
    subject: headers.get('subject') ?? '',
    text: bodies['text/plain'] ?? '',
    html: bodies['text/html'] ?? '',
  };
}

function split(raw) {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { headers, body: raw.slice(end + 4) };
}

function decoded({ headers, body }) {
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase();
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8');
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'latin1').toString('utf8');
  const bytes = body
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
