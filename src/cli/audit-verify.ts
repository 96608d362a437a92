import { AuditSealer } from '../audit/audit-sealer.js';
import type { ChainFault } from '../audit/chain.js';
import { type ChainAnchor, verifyChain } from '../audit/verify-chain.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';

const meanings: Readonly<Record<ChainFault['kind'], string>> = {
  changed: 'is not what was sealed',
  removed: 'is gone, or was rewritten',
  inserted: 'was put in afterwards',
  reordered: 'was moved',
};

export async function auditVerify(session: Session, { anchor }: { anchor?: string }): Promise<void> {
  const { shell, db } = session;
  const given = anchor === undefined ? undefined : anchorOf(anchor);
  // What waits for its seal is part of the log too.
  await session.get(AuditSealer).seal();
  const report = await db.read((tx) => verifyChain(tx, given));
  const sound = report.faults.length === 0 && report.overdue === 0;
  if (!sound) shell.fail();
  const head = report.head === null ? '' : ` Head: ${report.head.seq}:${report.head.hashHex}`;
  const words = sound
    ? `${counted(report.rows, 'event')}, none changed, removed, inserted or moved.${head}`
    : [
        table(
          ['seq', 'id', 'fault', 'meaning'],
          report.faults.map(({ seq, id, kind }) => [seq, id ?? '-', kind, meanings[kind]]),
        ),
        ...late(report.overdue),
      ].join('\n');
  await shell.answer({ sound, ...report }, words);
}

function late(count: number): string[] {
  return count === 0 ? [] : [`${counted(count, 'event')} cannot be sealed: see the log of the program.`];
}

function anchorOf(text: string): ChainAnchor {
  const [, seq, hashHex] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hashHex === undefined)
    throw new Error('--anchor is a number, a colon and 64 hex digits, as an earlier run printed them.');
  return { seq: Number(seq), hashHex };
}
