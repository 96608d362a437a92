import type { Command } from 'commander';
import { wholeNumber } from './arguments.js';
import { inSession, lazily } from './lazily.js';

const passwordFile = [
  '--password-file <path>',
  'file with the password; - is stdin (default: asks at the terminal)',
] as const;

/** How the first start and the accounts are run at a shell. */
export function addAccountCommands(program: Command): void {
  program
    .command('init')
    .description('make or complete the tables, the key ring, the built-in roles, the user admin and the default policy')
    .option(...passwordFile)
    .addHelpText(
      'after',
      '\nThe password counts only while there is no user; without one it is asked ' +
        'for, or made up and shown once. May be run again at any time.',
    )
    .action(lazily(async () => (await import('./init.js')).init));

  program
    .command('create-user')
    .description('make a user')
    .argument('<name>')
    .requiredOption('--email <address>')
    .option('--role <name...>', 'role to hold, such as admin or operator')
    .option(...passwordFile)
    .option('--no-password', 'no sign-in with a password')
    .action(inSession(async () => (await import('./create-user.js')).createUser));

  program
    .command('reset-password')
    .description('give a user a new password and end every session of that user')
    .argument('<name>', 'user name or e-mail address')
    .option(...passwordFile)
    .action(inSession(async () => (await import('./reset-password.js')).resetPassword));

  program
    .command('create-api-key')
    .description('make an API key for a user and show it, once')
    .argument('<name>', 'what it is for')
    .requiredOption('--user <name>', 'whose it is')
    .option('--days <number>', 'days until it ends (default: never)', wholeNumber)
    .option('--scope <permissions...>', 'limit it to these, such as certificate:read')
    .option('--application <name>', 'the program that uses it')
    .action(inSession(async () => (await import('./create-api-key.js')).createApiKey));
}
