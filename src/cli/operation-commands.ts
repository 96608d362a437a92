import type { Command } from 'commander';
import { inSession } from './lazily.js';

/** How the installation is looked after at a shell. */
export function addOperationCommands(program: Command): void {
  const audit = program.command('audit').description('check and export the audit log');
  audit.command('verify').description('check the hash chain of the audit log: status 1 when a row was changed, removed, inserted or moved')
    .option('--anchor <seq:hash>', 'a head that an earlier run printed: tells whether the newest rows were cut off since')
    .action(inSession(async () => (await import('./audit-verify.js')).auditVerify));
}
