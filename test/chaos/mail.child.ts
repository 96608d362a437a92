import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { serve } from './remote.js';

/** One mail that the server has taken. */
export interface TakenMail {
  id: string;
  /** Real time. */
  atMs: number;
  /** Each process of the program has a port of its own. */
  port: number;
  messageId: string;
  to: string[];
}

/** A line of the file: a mail that was taken, or the id of one that was answered as well. */
export type MailLine = { taken: TakenMail } | { answered: string };

/** Until a connection that the client has closed is seen to be closed. */
const closingMs = 50;

let refuses = false;
let diesNext = false;

/** A mail server on several ports that writes down what it takes before it answers. */
function main([file = '', ...ports]: readonly string[]): void {
  const note = (line: MailLine): void => appendFileSync(file, `${JSON.stringify(line)}\n`);
  for (const port of ports.map(Number)) {
    const closed = new Set<string>();
    const take = async (raw: string, session: SMTPServerSession, done: () => void): Promise<void> => {
      const id = randomUUID();
      const messageId = /^Message-ID: <([^@>]*)@/im.exec(raw)?.[1] ?? '';
      const to = session.envelope.rcptTo.map(({ address }) => address);
      note({ taken: { id, atMs: Date.now(), port, messageId, to } });
      if (diesNext) process.exit(1);
      await sleep(closingMs);
      done();
      if (!closed.has(session.id)) note({ answered: id });
    };
    const server = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      authOptional: true,
      onClose: ({ id }) => void closed.add(id),
      onData(stream, session, done) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (refuses) done(Object.assign(new Error('Not now'), { responseCode: 451 }));
          else void take(Buffer.concat(chunks).toString(), session, done);
        });
      },
    });
    server.on('error', () => undefined);
    server.listen(port, '127.0.0.1');
  }
  serve({
    refuse: (value: boolean) => (refuses = value),
    dieOnNext: () => (diesNext = true),
  });
}

main(process.argv.slice(2));
