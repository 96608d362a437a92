#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../platform/version.js';
import { addAccountCommands } from './account-commands.js';
import { addCertificateCommands } from './certificate-commands.js';
import { addOperationCommands } from './operation-commands.js';

const help = `
It works on the database itself, with the settings of the program (DATABASE_URL or DATA_DIR, ENCRYPTION_KEYS …), beside a running
program or without one. Whoever may open that database is an administrator here; the audit log has the name.
Exit status: 0 done, 1 refused, failed or found a fault, 2 wrong usage, 130 interrupted.`;

/** The command line: what an operator does at a shell. Commands load what they need when they run. */
async function main(): Promise<void> {
  const program = new Command('perennial')
    .description('Looks after X.509 certificates.')
    .version(version(), '-V, --version', 'print the version')
    .option('--json', 'print JSON, and nothing else, on stdout')
    .option('--verbose', 'write the log to stderr, from LOG_LEVEL up')
    .addHelpText('after', help)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  for (const add of [addAccountCommands, addCertificateCommands, addOperationCommands]) add(program);
  await program.parseAsync();
}

/** commander has said what is wrong already; asking for help is no fault. */
function end(error: unknown): void {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

main().catch(end);
