import { createHmac } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import type { TaskReport } from '../jobs/task-report.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { Log } from '../platform/log.js';
import { GuardedAgents } from '../platform/net/guarded-agent.js';
import { guardedFetch } from '../platform/net/guarded-fetch.js';
import { type AuditHead, readHead } from './audit-head.js';
import { AuditKeys } from './audit-keys.js';

/** Receives anchors outside the database. It receives the same anchor twice only after a crash. */
interface Target {
  /** Stored: never renamed. */
  name: string;
  send(anchor: Anchor, signal: AbortSignal): Promise<void>;
}

interface Anchor extends Pick<AuditHead, 'seq'> {
  hashHex: string;
  /** As `audit verify` reads it. */
  text: string;
  at: Date;
}

/**
 * Sends the newest seal of the audit log (an anchor) to targets that the owner of the database cannot write to. With an
 * anchor, `audit verify` detects that the whole log was reset to an older state. Targets are independent: after an
 * outage a target gets the current head.
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
    this.periodic.everyTick('audit.anchor', this.config.sweepIntervalS, (signal, report) => this.send(signal, report));
  }

  /** Sends every anchor that is due. Tries all targets, then throws if one of them failed. */
  async send(signal: AbortSignal, report: TaskReport): Promise<void> {
    const head = await readHead(this.db.single, this.keys);
    if (!head || head.seq === 0) return;
    const failures: string[] = [];
    for (const target of this.targets) {
      signal.throwIfAborted();
      await this.sendTo(target, head, signal).then(
        (sent) => report.count('anchors', sent ? 1 : 0),
        (error: unknown) => {
          report.failed(target.name, error);
          failures.push(`${target.name}: ${error instanceof Error ? error.message : String(error)}`);
        },
      );
    }
    if (failures.length > 0) throw new Error(`Sending an anchor of the audit log failed. ${failures.join(' ')}`);
  }

  /** False when it was not due. */
  private async sendTo(target: Target, head: AuditHead, signal: AbortSignal): Promise<boolean> {
    const at = this.clock.now();
    if (!(await this.isDue(target, head, at))) return false;
    const hashHex = head.hash.toString('hex');
    await target.send({ seq: head.seq, hashHex, text: `${head.seq}:${hashHex}`, at }, signal);
    await this.db.single.query(
      `insert into audit_anchor (target, seq, hash, sent_at) values ($1, $2, $3, $4)
       on conflict (target) do update set (seq, hash, sent_at) = (excluded.seq, excluded.hash, excluded.sent_at)`,
      [target.name, head.seq, head.hash, at],
    );
    return true;
  }

  /** `sent_at` in the table is not trusted: a manipulated row delays a new head by one interval at most. */
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

/** Appends one line per anchor, time first. The file is world-readable: an anchor is not secret. */
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

/** Appends the whole line or nothing, even when the disk is full. */
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
 * POSTs JSON; any 2xx is success. With a secret, the header `X-Perennial-Signature` is `sha256=` and the HMAC-SHA-256
 * of the body in hex.
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
      // A redirect may turn the POST into a GET that delivers nothing.
      if (answer.url.href !== new URL(url).href) throw new Error(`The webhook redirects to ${answer.url.host}.`);
      if (answer.status < 200 || answer.status > 299) throw new Error(`The webhook answered ${answer.status}.`);
    },
  };
}
