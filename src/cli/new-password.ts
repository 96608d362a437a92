import { askSecrets, readInput } from '../platform/terminal.js';
import { weaknesses } from '../users/password.js';

/** Where a command may take a password from: never from its own words, which others see in the list of processes. */
export interface PasswordSource {
  passwordFile?: string;
}

/**
 * The new password from the file, or asked for twice at the terminal; null where there is neither. Throws when it is
 * too weak.
 */
export async function newPassword({ passwordFile }: PasswordSource): Promise<string | null> {
  const password =
    passwordFile === undefined ? await askTwice() : (await readInput(passwordFile)).replace(/\r?\n$/, '');
  if (password === null) return null;
  const missing = weaknesses(password);
  if (missing.length > 0) throw new Error(`The password ${missing.join(', ')}.`);
  return password;
}

/** As `newPassword`, and throws where there is none to be had. */
export async function demandPassword(source: PasswordSource): Promise<string> {
  const password = await newPassword(source);
  if (password !== null) return password;
  throw new Error('There is no terminal to ask at: give the password with --password-file <path>, where - is stdin.');
}

async function askTwice(): Promise<string | null> {
  const [first, second] = (await askSecrets('New password: ', 'Once more: ')) ?? [];
  if (first !== second) throw new Error('The two passwords differ.');
  return first ?? null;
}
