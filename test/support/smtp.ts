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
  /** From now on mails are answered with this reply code, such as 451; null: they are taken. */
  refuseWith(code: number | null): void;
  close(): void;
}

export async function startSmtp(): Promise<TestSmtp> {
  const received: ReceivedMail[] = [];
  let refusal: number | null = null;
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          if (refusal !== null) return done(Object.assign(new Error('Not now'), { responseCode: refusal }));
          const raw = Buffer.concat(chunks).toString();
          received.push({
            to: session.envelope.rcptTo.map(({ address }) => address).sort(),
            subject: subjectOf(raw),
            raw,
          });
          return done();
        });
    },
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    received,
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
