import { type AccountsApp, type Answer, startAccounts } from './accounts-app.js';
import type { Json } from './json.js';

/** The application of accounts with its administrator signed in. */
export interface Administration {
  accounts: AccountsApp;
  /** As the administrator, unless another token is given. */
  call: (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object, token?: string) => Promise<Answer>;
  roleId: (name: string) => Promise<number>;
  /** The newest entry of the log, as the API gives it. */
  lastEvent: () => Promise<Json>;
}

export async function startAdministration(): Promise<Administration> {
  const accounts = await startAccounts();
  const admin = await accounts.signIn('admin');
  const call: Administration['call'] = (method, path, body, token = admin) =>
    accounts.call(method, path, { body, token });
  return {
    accounts,
    call,
    roleId: async (name) =>
      (await accounts.test.source.query<[{ id: number }]>('select id from role where name = $1', [name]))[0].id,
    lastEvent: async () => (await call('GET', '/logs?count=1')).body.items[0],
  };
}
