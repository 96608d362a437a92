import { appendFileSync } from 'node:fs';
import { SMTPServer } from 'smtp-server';
import { serve } from './remote.js';

/** One mail that the server has taken. */
export interface TakenMail {
  /** Real time. */
  atMs: number;
  /** Each process of the program has a port of its own. */
  port: number;
  messageId: string;
  to: string[];
  /** False: the server died before it answered. */
  answered: boolean;
}

let refuses = false;
let diesNext = false;

/** A mail server on several ports that writes down what it takes before it answers. */
function main([file = '', ...ports]: readonly string[]): void {
  for (const port of ports.map(Number)) {
    const server = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      authOptional: true,
      onData(stream, session, done) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (refuses) return done(Object.assign(new Error('Not now'), { responseCode: 451 }));
          const raw = Buffer.concat(chunks).toString();
          const mail: TakenMail = {
            atMs: Date.now(),
            port,
            messageId: /^Message-ID: <([^@>]*)@/im.exec(raw)?.[1] ?? '',
            to: session.envelope.rcptTo.map(({ address }) => address),
            answered: !diesNext,
          };
          appendFileSync(file, `${JSON.stringify(mail)}\n`);
          if (diesNext) process.exit(1);
          return done();
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
