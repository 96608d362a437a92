import { ApiKeyService } from '../auth/api-key.service.js';
import { apiKeyView, NewApiKey } from '../auth/api-key.schema.js';
import { validate } from '../platform/http/validate.js';
import type { Session } from './session.js';

interface Options {
  user: string;
  days?: number;
  scope?: string[];
  application?: string;
}

export async function createApiKey(
  session: Session,
  name: string,
  { user, days = -1, scope, application }: Options,
): Promise<void> {
  const wanted = validate(NewApiKey, {
    name,
    ttl: days,
    user: { name: user },
    ...(scope && { scopes: scope }),
    ...(application && { applicationName: application }),
  });
  const { key, secret } = await session.get(ApiKeyService).create(session.actor, wanted);
  if (!session.shell.json)
    session.shell.note(`API key ${key.name} (${key.id}) of ${key.user.username}. It is shown only once:`);
  await session.shell.answer({ ...apiKeyView(key), jwt: secret }, secret);
}
