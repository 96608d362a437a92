import { NewAccount, accountView } from '../roles/account.schema.js';
import { AccountService } from '../roles/account.service.js';
import { validate } from '../platform/http/validate.js';
import { demandPassword } from './new-password.js';
import type { Session } from './session.js';

/** `password` is false after `--no-password`. */
interface Options {
  email: string;
  role?: string[];
  passwordFile?: string;
  password: boolean;
}

export async function createUser(
  session: Session,
  username: string,
  { email, role = [], password, ...source }: Options,
): Promise<void> {
  const secret = password ? await demandPassword(source) : undefined;
  const account = validate(NewAccount, { username, email, password: secret, roles: role.map((name) => ({ name })) });
  const made = await session.get(AccountService).create(session.actor, account);
  const roles = made.roles.map(({ name }) => name).join(', ');
  await session.shell.answer(
    accountView(made),
    `Created user ${made.username} (${made.id})${roles ? ` with ${roles}` : ''}.`,
  );
}
