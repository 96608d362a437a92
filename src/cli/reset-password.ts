import { accountView } from '../roles/account.schema.js';
import { AccountService } from '../roles/account.service.js';
import { UserRepository } from '../users/user.repository.js';
import { demandPassword, type PasswordSource } from './new-password.js';
import type { Session } from './session.js';

export async function resetPassword(session: Session, name: string, source: PasswordSource): Promise<void> {
  const user = await session.get(UserRepository).findForSignIn(session.db.single, name);
  if (!user) throw new Error(`There is no user ${name}.`);
  const password = await demandPassword(source);
  const account = await session.get(AccountService).change(session.actor, user.id, { password });
  const inactive = account.active ? '' : ' The user is deactivated and still cannot sign in.';
  await session.shell.answer(
    accountView(account),
    `User ${account.username} has a new password. All sessions have ended.${inactive}`,
  );
}
