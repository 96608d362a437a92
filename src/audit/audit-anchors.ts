import { createHmac } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { Log } from '../platform/log.js';
import { GuardedAgents } from '../platform/net/guarded-agent.js';
import { guardedFetch } from '../platform/net/guarded-fetch.js';
import { type AuditHead, readHead } from './audit-head.js';
import { AuditKeys } from './audit-keys.js';

/** A place outside the database that gets anchors. It gets the same one twice only when a process died in between. */
interface Target {
  /** Stored: never renamed. */
  name: string;
  send(anchor: Anchor, signal: AbortSignal): Promise<void>;
}

interface Anchor extends Pick<AuditHead, 'seq'> {
  hashHex: string;
  /** As `audit verify` takes it. */
  text: string;
  at: Date;
}

/**
 * Sends the newest seal of the audit log to where the owner of the database cannot write: with it, `audit verify` finds
 * that a whole older state of the log was put back. Each target on its own: one that is down gets the head of the time
 * when it is back.
 */
@Injectable()
export class AuditAnchors implements OnModuleInit {
  private readonly targets: readonly Target[];

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly keys: AuditKeys,
    private readonly periodic: Periodic,
    private readonly clock: Clock,
    log: Log,
    agents: GuardedAgents,
  ) {
    const { auditAnchorLog, auditAnchorPath: path, auditAnchorUrl: url, auditAnchorSecret: secret } = config;
    this.targets = [
      ...(auditAnchorLog ? [logTarget(log)] : []),
      ...(path === undefined ? [] : [fileTarget(path)]),
      ...(url === undefined ? [] : [webhookTarget(agents, { url, secret })]),
    ];
  }

  onModuleInit(): void {
    if (this.targets.length === 0) return;
    this.periodic.everyTick('audit.anchor', this.config.sweepIntervalS, (signal) => this.send(signal));
  }

  /** Sends what is due. Throws, after all targets were tried, when one did not take it. */
  async send(signal: AbortSignal): Promise<void> {
    const head = await readHead(this.db.single, this.keys);
    if (!head || head.seq === 0) return;
    const failures: string[] = [];
    for (const target of this.targets) {
      signal.throwIfAborted();
      await this.sendTo(target, head, signal).catch((error: unknown) =>
        failures.push(`${target.name}: ${error instanceof Error ? error.message : String(error)}`),
      );
    }
    if (failures.length > 0) throw new Error(`An anchor of the audit log was not taken. ${failures.join(' ')}`);
  }

  private async sendTo(target: Target, head: AuditHead, signal: AbortSignal): Promise<void> {
    const at = this.clock.now();
    if (!(await this.isDue(target, head, at))) return;
    const hashHex = head.hash.toString('hex');
    await target.send({ seq: head.seq, hashHex, text: `${head.seq}:${hashHex}`, at }, signal);
    await this.db.single.query(
      `insert into audit_anchor (target, seq, hash, sent_at) values ($1, $2, $3, $4)
       on conflict (target) do update set (seq, hash, sent_at) = (excluded.seq, excluded.hash, excluded.sent_at)`,
      [target.name, head.seq, head.hash, at],
    );
  }

  /** Nothing that somebody writes into the table keeps a new head from being sent for longer than the interval. */
  private async isDue({ name }: Target, { seq, hash }: AuditHead, now: Date): Promise<boolean> {
    const [last] = await this.db.single.query<{ seq: string; hash: Buffer; sentAt: Date }[]>(
      'select seq, hash, sent_at as "sentAt" from audit_anchor where target = $1',
      [name],
    );
    if (!last || Number(last.seq) > seq) return true;
    if (last.hash.equals(hash)) return false;
    const sinceMs = now.getTime() - last.sentAt.getTime();
    return sinceMs < 0 || sinceMs >= this.config.auditAnchorMinutes * 60_000;
  }
}

function logTarget(log: Log): Target {
  return { name: 'log', send: async ({ text }) => log.info({ anchor: text }, 'anchor of the audit log') };
}

const appending = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

/** One line for each anchor, moment first. The file can be read by everyone: an anchor is no secret. */
function fileTarget(path: string): Target {
  return {
    name: 'file',
    send: async ({ text, at }) => {
      const file = await open(path, appending, 0o644);
      try {
        const { size } = await file.stat();
        if (!(await endsWith(file, size, `${text}\n`))) await append(file, size, `${at.toISOString()} ${text}\n`);
      } finally {
        await file.close();
      }
      await syncFolder(dirname(path));
    },
  };
}

async function endsWith(file: FileHandle, size: number, ending: string): Promise<boolean> {
  const length = Buffer.byteLength(ending);
  if (size < length) return false;
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.equals(Buffer.from(ending));
}

/** Whole or not at all, also on a disk that is full. */
async function append(file: FileHandle, size: number, line: string): Promise<void> {
  try {
    await file.writeFile(line);
    await file.sync();
  } catch (error) {
    await file.truncate(size);
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

/**
 * JSON by POST; any 2xx is an answer. With a secret, `X-Perennial-Signature` is `sha256=` and the HMAC of the body in
 * hex.
 */
function webhookTarget(agents: GuardedAgents, { url, secret }: { url: string; secret?: string }): Target {
  return {
    name: 'webhook',
    send: async ({ seq, hashHex, text, at }, signal) => {
      const body = JSON.stringify({ anchor: text, seq, hash: hashHex, at: at.toISOString() });
      const signature = secret && `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
      const headers = {
        'content-type': 'application/json',
        ...(signature && { 'x-perennial-signature': signature }),
      };
      const answer = await guardedFetch(agents, url, { method: 'POST', headers, body, signal });
      // A redirect may have turned the POST into a GET, which told nobody anything.
      if (answer.url.href !== new URL(url).href) throw new Error(`${answer.url.host} was redirected to.`);
      if (answer.status < 200 || answer.status > 299) throw new Error(`The answer was ${answer.status}.`);
    },
  };
}
