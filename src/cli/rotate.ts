import type { CertificateView } from '../certificates/certificate.schema.js';
import { RotateService } from '../certificates/rotate/rotate.service.js';
import { applyToEach } from './bulk.js';
import { type Choice, chosen } from './chosen.js';
import type { Session } from './session.js';

interface Options extends Choice {
  notify: boolean;
  commit?: boolean;
}

export async function rotate(session: Session, words: string[], { notify, commit, ...choice }: Options): Promise<void> {
  const service = session.get(RotateService);
  const rotateOne =
    (dryRun: boolean) =>
    async ({ id }: CertificateView): Promise<string> => {
      const { text, successor } = await service.rotate(session.actor, id, { dryRun, notify });
      return successor === null || dryRun
        ? text
        : `${text} Successor: ${successor.name} (${successor.id ?? 'to come'})`;
    };
  await applyToEach(
    session,
    await chosen(session, words, choice),
    { verb: 'rotate', done: 'rotated', preview: rotateOne(true), run: rotateOne(false) },
    commit,
  );
}
