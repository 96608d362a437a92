import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** One mail as it came over the wire. `raw` is the whole message. */
export interface ReceivedMail {
  to: string[];
  subject: string;
  raw: string;
}

/** A real mail server that keeps what it gets. */
export interface TestSmtp {
  url: string;
  received: ReceivedMail[];
  /** What it answered with an error. */
  refused: ReceivedMail[];
  /** From now on this recipient is refused for good. */
  refuseTo(address: string): void;
  /** From now on mails are answered with this reply code, such as 451; null: they are taken. */
  refuseWith(code: number | null): void;
  close(): void;
}

export async function startSmtp(): Promise<TestSmtp> {
  const received: ReceivedMail[] = [];
  const refused: ReceivedMail[] = [];
  const unknown = new Set<string>();
  let refusal: number | null = null;
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onRcptTo({ address }, _session, done) {
      done(unknown.has(address) ? Object.assign(new Error('No such user'), { responseCode: 550 }) : null);
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          const raw = Buffer.concat(chunks).toString();
          const to = session.envelope.rcptTo.map(({ address }) => address).sort();
          (refusal === null ? received : refused).push({ to, subject: subjectOf(raw), raw });
          if (refusal === null) return done();
          return done(Object.assign(new Error('Not now'), { responseCode: refusal }));
        });
    },
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    received,
    refused,
    refuseTo: (address) => void unknown.add(address),
    refuseWith: (code) => {
      refusal = code;
    },
    close: () => server.close(),
  };
}

/** Folded lines become one (RFC 5322 §2.2.3). */
function subjectOf(raw: string): string {
  return (/^Subject: ((?:.*\r\n)(?:[ \t].*\r\n)*)/m.exec(raw)?.[1] ?? '').replace(/\r\n[ \t]/g, ' ').trim();
}
