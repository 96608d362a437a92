import { RevokeRequest } from '../certificates/revoke/revoke.schema.js';
import { RevokeService } from '../certificates/revoke/revoke.service.js';
import { validate } from '../platform/http/validate.js';
import { applyToEach } from './bulk.js';
import { type Choice, chosen } from './chosen.js';
import type { Session } from './session.js';

interface Options extends Choice {
  reason: string;
  comment?: string;
  retired?: boolean;
  commit?: boolean;
}

export async function revoke(
  session: Session,
  words: string[],
  { reason, comment, retired, commit, ...choice }: Options,
): Promise<void> {
  const request = validate(RevokeRequest, {
    crlReason: reason,
    comments: comment,
    ...(retired && { replace: false }),
  });
  const certificates = await chosen(session, words, choice);
  const service = session.get(RevokeService);
  const run = async ({ id }: { id: number }): Promise<string> => {
    await service.revoke(session.actor, id, request);
    return `revoked (${request.crlReason})`;
  };
  await applyToEach(session, certificates, { verb: 'revoke', done: 'revoked', run }, commit);
}
