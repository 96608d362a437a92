/**
 * `npm run demo`: plays the life of a certificate against a program that it starts itself, in real time. One line per
 * step; ends with status 0 only if everything is as it should be, and leaves nothing behind in any case.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueByAcme } from './acme.chapter.mjs';
import { setUp } from './authorities.chapter.mjs';
import { issue } from './certificates.chapter.mjs';
import { end } from './end.chapter.mjs';
import { Unexpected } from './expect.mjs';
import { exportAll } from './exports.chapter.mjs';
import { Mailbox } from './mailbox.mjs';
import { Narrator } from './narrator.mjs';
import { Program } from './program.mjs';
import { rotate } from './rotation.chapter.mjs';
import { reloadSignal, WebServer } from './web-server.mjs';

const longestMs = 150_000;

/** Everything that takes part. `folder` is the only one that is written to. */
async function prepare(narrator) {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-demo-'));
  const mailbox = new Mailbox();
  const reloads = { count: 0 };
  const webServer = new WebServer(join(folder, 'deployed/www.example.com'));
  process.on(reloadSignal, () => {
    reloads.count += 1;
    void webServer.reload();
  });
  const program = new Program(join(folder, 'data'), {
    SMTP_URL: await mailbox.listen(),
    // Where Pebble listens, if it is installed.
    ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
    MAIL_FROM: 'Perennial <perennial@pki.example.com>',
    RELOAD_COMMANDS: JSON.stringify({
      web: [process.execPath, '-e', `process.kill(${process.pid}, '${reloadSignal}')`],
    }),
  });
  return { folder, mailbox, reloads, webServer, program, narrator, visitor: null };
}

async function play(stage) {
  const house = await setUp(stage);
  const certificates = await issue(stage, house);
  await exportAll(stage, certificates);
  const rotated = await rotate(stage, certificates);
  await issueByAcme(stage);
  await end(stage, { ...certificates, ...rotated });
  stage.narrator.closing();
}

async function clear({ folder, mailbox, webServer, program, visitor }) {
  visitor?.stop();
  await visitor?.ended;
  webServer.close();
  await program.end();
  await mailbox.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Settles with the status to end with when a signal says so. */
function interruption(narrator) {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        narrator.say(`${signal}: cleaning up.`);
        narrator.silence();
        resolve(128 + constants.signals[signal]);
      });
    }
  });
}

/** Fails after the longest time that the demo may take. */
function tooLong() {
  return new Promise((_, reject) => {
    setTimeout(
      () => reject(new Unexpected('The demo takes too long.', `less than ${longestMs / 1000} s`, 'more')),
      longestMs,
    ).unref();
  });
}

const narrator = new Narrator();
const interrupted = interruption(narrator);
const stage = await prepare(narrator);
const told = Promise.race([play(stage), tooLong()]).then(
  () => 0,
  (error) => {
    narrator.failure(error, stage.program.log);
    return 1;
  },
);
const status = await Promise.race([interrupted, told]);
await clear(stage);
process.exit(status);
