import type { Command } from 'commander';
import { inSession, lazily } from './lazily.js';

/** Adds the commands that look after the installation. */
export function addOperationCommands(program: Command): void {
  addAuditCommands(program);
  addDataCommands(program);

  program
    .command('sync')
    .description('have sources looked at now, by the running program: status 1 when a look failed')
    .argument('[sources...]', 'ids or labels; default: all that are active')
    .option('--no-wait', 'do not wait until they have been looked at')
    .action(inSession(async () => (await import('./sync.js')).sync));

  program
    .command('doctor')
    .description(
      'look whether everything works, and say what to do about what does not: status 1 when there is a fault',
    )
    .option('--send-to <address>', 'send a mail there; without, the mail server is only greeted')
    .option('--clock-url <url>', 'compare the clock with the Date that this URL answers with')
    .action(lazily(async () => (await import('./doctor.js')).doctor));
}

function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('check and export the audit log');
  audit
    .command('verify')
    .description('check the hash chain of the audit log: status 1 when a row was changed, removed, inserted or moved')
    .option(
      '--anchor <seq:hash>',
      'a head that an earlier run printed: tells whether the newest rows were cut off since',
    )
    .option('--anchor-file <path>', 'a file of anchors as AUDIT_ANCHOR_PATH has them: each must be in the log')
    .action(inSession(async () => (await import('./audit-verify.js')).auditVerify));
  audit
    .command('export')
    .description('write the audit log out, oldest first, as JSON lines or CSV')
    .option('--format <format>', 'ndjson or csv')
    .option('--from <moment>', 'such as 2026-01-31T00:00:00Z')
    .option('--to <moment>')
    .option('--filter <field;value>', 'as GET /logs takes it, such as logType;certificate.issued')
    .action(inSession(async () => (await import('./audit-export.js')).auditExport));
}

function addDataCommands(program: Command): void {
  program
    .command('rekey')
    .description(
      'move every sealed value to the newest key of the key ring; without --commit, show which key seals what',
    )
    .option('--new-key', 'first put a new key in front of the key ring of DATA_DIR')
    .option('--commit', 'move the values, then say which keys are needed no more')
    .option('--drop-old-keys', 'after the move, take them out of the key ring of DATA_DIR')
    .addHelpText(
      'after',
      `
Beside a running program: rekey --new-key; restart every process,
so that all have the key; rekey --commit --drop-old-keys.
With ENCRYPTION_KEYS: put the new key in front; restart; rekey --commit; take the old keys out; restart.
Cut off, it goes on where it was.`,
    )
    .action(lazily(async () => (await import('./rekey.js')).rekey));

  program
    .command('import-lemur')
    .description('take over what is in a database of Netflix Lemur; may be run again, and takes what is new')
    .option('--database <url>', "Lemur's database (default: LEMUR_DATABASE_URL); nothing is written to it")
    .option(
      '--fernet-key <key...>',
      'the keys that seal its secrets; better in LEMUR_ENCRYPTION_KEYS or a file, since others may see this command',
    )
    .option('--fernet-key-file <path>', 'a file with the keys; - is stdin')
    .option('--dry-run', 'print the same report, and write nothing')
    .addHelpText(
      'after',
      '\nStatus 1 when something is lost, such as a key that does not open. Nothing renews in the first day.',
    )
    .action(inSession(async () => (await import('./import-lemur.js')).importFromLemur));
}
