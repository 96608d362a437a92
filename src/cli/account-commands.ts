import type { Command } from 'commander';
import { inSession, lazily, wholeNumber } from './command-action.js';

const passwordFile = [
  '--password-file <path>',
  'read the password from a file; - is stdin (default: ask at the terminal)',
] as const;

/** Adds the commands for the first start, users and API keys. */
export function addAccountCommands(program: Command): void {
  program
    .command('init')
    .description('create whatever is missing of tables, key ring, built-in roles, user admin and default policy')
    .option(...passwordFile)
    .addHelpText(
      'after',
      '\nThe password is used only while there are no users. If none is given, the command ' +
        'asks for one, or generates one and shows it once. It can be run again at any time.',
    )
    .action(lazily(async () => (await import('./init.js')).init));

  program
    .command('create-user')
    .description('create a user')
    .argument('<name>')
    .requiredOption('--email <address>')
    .option('--role <name...>', 'role to assign, for example admin or operator')
    .option(...passwordFile)
    .option('--no-password', 'create the user without a password')
    .action(inSession(async () => (await import('./create-user.js')).createUser));

  program
    .command('reset-password')
    .description('set a new password for a user and end all sessions of that user')
    .argument('<name>', 'user name or e-mail address')
    .option(...passwordFile)
    .action(inSession(async () => (await import('./reset-password.js')).resetPassword));

  program
    .command('create-api-key')
    .description('create an API key for a user and show it once')
    .argument('<name>', 'name of the key')
    .requiredOption('--user <name>', 'user for whom the key acts')
    .option('--days <number>', 'days until it expires (default: never)', wholeNumber)
    .option('--scope <permissions...>', 'limit the key to these permissions, for example certificate:read')
    .option('--application <name>', 'program that uses the key')
    .action(inSession(async () => (await import('./create-api-key.js')).createApiKey));
}
