import type { Command } from 'commander';
import { inSession, lazily } from './command-action.js';

/** Adds the commands that maintain the installation. */
export function addOperationCommands(program: Command): void {
  addAuditCommands(program);
  addDataCommands(program);

  program
    .command('sync')
    .description('scan sources now, in the running program; exit status 1 if a scan failed')
    .argument('[sources...]', 'ids or labels; default: all active sources')
    .option('--no-wait', 'do not wait for the scans to finish')
    .action(inSession(async () => (await import('./sync.js')).sync));

  program
    .command('add-targets')
    .description('add the hosts of a CSV file (columns host, port, servername, starttls) to a source that scans them')
    .argument('<source>', 'id or label')
    .argument('<file>', 'the CSV file; - is stdin')
    .option('--create <plugin>', 'create the source with this plugin, for example tls-endpoints, if the label is new')
    .option('--owner <owner>', 'with --create: the owner of the certificates; default: your address')
    .option('--dry-run', 'check the file, show what would be added, and store nothing')
    .action(inSession(async () => (await import('./add-targets.js')).addTargets));

  program
    .command('doctor')
    .description('check the installation and say how to correct each fault; exit status 1 if there is a fault')
    .option('--send-to <address>', 'send a test mail; without this option, only connect to the mail server')
    .option('--clock-url <url>', 'compare the clock with the Date header of this URL')
    .action(lazily(async () => (await import('./doctor.js')).doctor));
}

function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('check and export the audit log');
  audit
    .command('verify')
    .description(
      'check the hash chain of the audit log; exit status 1 if a row was changed, removed, inserted or moved',
    )
    .option(
      '--anchor <seq:hash>',
      'head that an earlier run printed; detects whether the newest rows were deleted since',
    )
    .option('--anchor-file <path>', 'file of anchors in the format of AUDIT_ANCHOR_PATH; each must be in the log')
    .action(inSession(async () => (await import('./audit-verify.js')).auditVerify));
  audit
    .command('export')
    .description('print the audit log, oldest first, as JSON lines or CSV')
    .option('--format <format>', 'ndjson or csv')
    .option('--from <moment>', 'for example 2026-01-31T00:00:00Z')
    .option('--to <moment>')
    .option('--filter <field;value>', 'as for GET /logs, for example logType;certificate.issued')
    .action(inSession(async () => (await import('./audit-export.js')).auditExport));
}

function addDataCommands(program: Command): void {
  program
    .command('rekey')
    .description(
      're-encrypt every sealed value with the newest key of the key ring; without --commit, show which key seals what',
    )
    .option('--new-key', 'first add a new key to the key ring of DATA_DIR')
    .option('--commit', 're-encrypt the values, then list the keys that are no longer needed')
    .option('--drop-old-keys', 'then remove these keys from the key ring of DATA_DIR')
    .addHelpText(
      'after',
      `
While the program runs: rekey --new-key; restart every process,
so that all have the new key; rekey --commit --drop-old-keys.
With ENCRYPTION_KEYS: add the new key in front; restart; rekey --commit; remove the old keys; restart.
An interrupted run can be repeated; it continues where it stopped.`,
    )
    .action(lazily(async () => (await import('./rekey.js')).rekey));

  program
    .command('import-lemur')
    .description('import a database of Netflix Lemur; another run imports what is new')
    .option('--database <url>', "Lemur's database (default: LEMUR_DATABASE_URL); nothing is written to it")
    .option(
      '--fernet-key <key...>',
      'keys that encrypt its secrets; prefer LEMUR_ENCRYPTION_KEYS or a file, because others can see arguments',
    )
    .option('--fernet-key-file <path>', 'file with the keys; - is stdin')
    .option('--dry-run', 'print the report and write nothing')
    .addHelpText(
      'after',
      '\nExit status 1 if something is lost, for example a key that cannot be decrypted. ' +
        'No renewal starts within the first day.',
    )
    .action(inSession(async () => (await import('./import-lemur.js')).importFromLemur));
}
