import { askSecrets, readInput } from '../platform/terminal.js';
import { weaknesses } from '../users/password.js';

/** The source of a password. Never an argument, because other users can see arguments in the list of processes. */
export interface PasswordSource {
  passwordFile?: string;
}

/**
 * Reads a new password from the file, or twice from the terminal; null if there is neither. Throws if it is too weak.
 */
export async function newPassword({ passwordFile }: PasswordSource): Promise<string | null> {
  const password =
    passwordFile === undefined ? await askTwice() : (await readInput(passwordFile)).replace(/\r?\n$/, '');
  if (password === null) return null;
  const missing = weaknesses(password);
  if (missing.length > 0) throw new Error(`The password ${missing.join(', ')}.`);
  return password;
}

/** As `newPassword`, but throws if there is neither a file nor a terminal. */
export async function demandPassword(source: PasswordSource): Promise<string> {
  const password = await newPassword(source);
  if (password !== null) return password;
  throw new Error(
    'There is no terminal to ask for the password. Give it with --password-file <path>, where - is stdin.',
  );
}

async function askTwice(): Promise<string | null> {
  const [first, second] = (await askSecrets('New password: ', 'Once more: ')) ?? [];
  if (first !== second) throw new Error('The two passwords differ.');
  return first ?? null;
}
