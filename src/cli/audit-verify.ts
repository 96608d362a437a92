import { readFile } from 'node:fs/promises';
import { AuditKeys } from '../audit/audit-keys.js';
import { AuditSealer } from '../audit/audit-sealer.js';
import type { ChainFault } from '../audit/chain.js';
import { type ChainAnchor, type ChainReport, verifyChain } from '../audit/verify-chain.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';

const meanings: Readonly<Record<ChainFault['kind'], string>> = {
  changed: 'was changed after it was sealed',
  removed: 'was deleted or rewritten',
  inserted: 'was inserted afterwards',
  reordered: 'was moved',
  repeated: 'has an event that an earlier row has, too',
  'unknown-key': 'was sealed with a key that is not in the key ring',
  head: 'may not be the newest: the record of the newest event is missing or was rewritten',
};

interface Options {
  anchor?: string;
  anchorFile?: string;
}

export async function auditVerify(session: Session, { anchor, anchorFile }: Options): Promise<void> {
  const { shell, db } = session;
  const anchors = [
    ...(anchor === undefined ? [] : [anchorOf(anchor)]),
    ...(anchorFile === undefined ? [] : await anchorsIn(anchorFile)),
  ];
  // Events that are not sealed yet are part of the log too.
  await session.get(AuditSealer).seal();
  const report = await db.read((tx) => verifyChain(tx, session.get(AuditKeys), anchors));
  const sound = report.faults.length === 0 && report.overdue === 0;
  if (!sound) shell.fail();
  const words = sound
    ? wordsOf(report)
    : [
        table(
          ['seq', 'id', 'fault', 'meaning'],
          report.faults.map(({ seq, id, kind }) => [seq, id ?? '-', kind, meanings[kind]]),
        ),
        ...late(report.overdue),
      ].join('\n');
  await shell.answer({ sound, ...report }, words);
}

function wordsOf({ rows, keyed, anchors, head }: ChainReport): string {
  const old = rows - keyed;
  const unkeyed = old === 0 ? '' : `, ${old} before that by an older version, without one`;
  return [
    `${counted(rows, 'event')}, none changed, removed, inserted or moved.`,
    `${counted(keyed, 'event')} sealed with a key${unkeyed}.`,
    anchors === 0 ? 'No anchor was given.' : `${counted(anchors, 'anchor')} found.`,
    ...(head === null ? [] : [`Head: ${head.seq}:${head.hashHex}`]),
  ].join(' ');
}

function late(count: number): string[] {
  return count === 0 ? [] : [`${counted(count, 'event')} cannot be sealed: see the log of the program.`];
}

function anchorOf(text: string): ChainAnchor {
  const anchor = parsed(text);
  if (anchor === null)
    throw new Error('--anchor is a number, a colon and 64 hex digits, as an earlier run printed them.');
  return anchor;
}

/** Reads a file in the format of AUDIT_ANCHOR_PATH: the anchor is the last word of each line. */
async function anchorsIn(path: string): Promise<ChainAnchor[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, i) => {
    const anchor = parsed(line.trim().split(/\s+/).at(-1) ?? '');
    if (anchor === null) throw new Error(`Line ${i + 1} of ${path} does not end with an anchor.`);
    return anchor;
  });
}

function parsed(text: string): ChainAnchor | null {
  const [, seq, hashHex] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  return seq === undefined || hashHex === undefined ? null : { seq: Number(seq), hashHex };
}
