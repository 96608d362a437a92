#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../platform/version.js';
import { addAccountCommands } from './account-commands.js';
import { addCertificateCommands } from './certificate-commands.js';
import { addOperationCommands } from './operation-commands.js';

const help = `
Commands work on the database directly, with the settings of the program (DATABASE_URL or DATA_DIR, ENCRYPTION_KEYS …),
whether or not the program is running. Everyone who can open the database has the rights of an administrator;
the audit log records the name of the system user.
Exit status: 0 success, 1 refused, failed or fault found, 2 wrong usage, 130 interrupted.`;

/** The command line for operators. A command loads its code when it runs, so that \`--help\` is fast. */
async function main(): Promise<void> {
  const program = new Command('perennial')
    .description('Manages X.509 certificates.')
    .version(version(), '-V, --version', 'print the version')
    .option('--json', 'print only JSON on stdout')
    .option('--verbose', 'write the log to stderr, from LOG_LEVEL up')
    .addHelpText('after', help)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  for (const add of [addAccountCommands, addCertificateCommands, addOperationCommands]) add(program);
  await program.parseAsync();
}

/** commander has printed the error already. \`--help\` and \`--version\` end with status 0. */
function end(error: unknown): void {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

main().catch(end);
