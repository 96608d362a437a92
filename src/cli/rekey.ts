import { join } from 'node:path';
import { Rekeying, type Rekeyed, type RekeyStatus } from '../operations/rekeying.js';
import type { Config } from '../platform/config.js';
import { addKeyToFile, keepFirstKeyInFile } from '../platform/secrets/key-ring-file.js';
import { namesOf } from '../platform/secrets/key-holders.js';
import { type Session, withSession } from './session.js';
import type { Shell } from './shell.js';
import { counted, table } from './table.js';

interface Options {
  newKey?: boolean;
  commit?: boolean;
  dropOldKeys?: boolean;
}

export async function rekey(shell: Shell, { newKey, commit, dropOldKeys }: Options): Promise<void> {
  const config = shell.config();
  if (dropOldKeys && !commit) throw new Error('--drop-old-keys goes with --commit.');
  if (newKey || dropOldKeys) demandFile(config);
  if (newKey) await addKeyToFile(ringPath(config));
  if (newKey && !commit)
    return shell.answer(
      { keyRing: ringPath(config) },
      `The new key is first in ${ringPath(config)}. Back up the file, restart every ` +
        'process, then run: perennial rekey --commit',
    );
  await withSession(shell, (session) => (commit ? move(session, dropOldKeys === true) : show(session)));
}

async function show({ shell, get, db }: Session): Promise<void> {
  const status = await get(Rekeying).status(db.single);
  await shell.answer({ committed: false, ...status }, tableOf(status));
  if (shell.json) return;
  if (status.behind.length > 0)
    shell.note(
      `${namesOf(status.behind)} does not seal with key ${status.sealingKey} yet. ` +
        'Restart it with the same key ring first.',
    );
  shell.note(
    status.toMove === 0
      ? `Everything is sealed with key ${status.sealingKey}.`
      : `Nothing is done yet: --commit would move ${counted(status.toMove, 'value')} to key ${status.sealingKey}.`,
  );
}

async function move({ shell, get, db, actor, config }: Session, drop: boolean): Promise<void> {
  const rekeying = get(Rekeying);
  const progress = shell.progress('rekey', (await rekeying.status(db.single)).toMove);
  const outcome = await rekeying
    .run(actor, { signal: shell.signal, moved: (count) => progress.advance(count) })
    .finally(() => progress.stop());
  const dropped = drop && outcome.damaged.length === 0;
  if (dropped) await keepFirstKeyInFile(ringPath(config));
  if (outcome.damaged.length > 0) shell.fail();
  await shell.answer({ committed: true, ...outcome, dropped }, wordsOf(outcome, dropped));
}

function wordsOf({ moved, damaged, retired, sealingKey }: Rekeyed, dropped: boolean): string {
  const lines = [`${counted(moved, 'value')} moved to key ${sealingKey}.`];
  if (damaged.length > 0)
    return [
      ...lines,
      'These values cannot be decrypted, so no key may be removed:',
      ...damaged.map((place) => `  ${place}`),
    ].join('\n');
  const others =
    retired.length === 0 ? 'No other key is needed.' : `Nothing is sealed with ${retired.join(', ')} any more.`;
  return [
    ...lines,
    dropped
      ? `${others} The key ring now has only the newest key; restart every process.`
      : `${others} Other keys can be removed from the key ring; keep them with old backups.`,
  ].join('\n');
}

function tableOf({ values }: RekeyStatus): string {
  return table(
    ['table', 'column', 'key', 'values'],
    values.map(({ table: name, column, keyId, count }) => [name, column, keyId, count]),
  );
}

function ringPath({ dataDir }: Config): string {
  return join(dataDir, 'keyring');
}

function demandFile({ encryptionKeys }: Config): void {
  if (encryptionKeys)
    throw new Error(
      'The key ring is in ENCRYPTION_KEYS. Add a new key in front there (openssl rand ' +
        '-base64 32), and remove old keys there.',
    );
}
