import type { CertificateView } from '../certificates/certificate.schema.js';
import { DueRepository } from '../certificates/due.repository.js';
import { CertificateReader } from '../certificates/list/certificate-reader.js';
import { RotateService } from '../certificates/rotate/rotate.service.js';
import { Clock } from '../platform/clock.js';
import { applyToEach } from './bulk.js';
import { type Choice, chosen } from './chosen.js';
import type { Session } from './session.js';

interface Options extends Choice {
  due?: boolean;
  commit?: boolean;
}

export async function reissue(session: Session, words: string[], { due, commit, ...choice }: Options): Promise<void> {
  const certificates = due ? await allDue(session) : await chosen(session, words, choice);
  const [service, reader] = [session.get(RotateService), session.get(CertificateReader)];
  const preview = async ({ id }: CertificateView): Promise<string> =>
    (await service.previewReissue(session.actor, id)).text;
  const run = async ({ id }: CertificateView): Promise<string> => {
    const successor = await reader.settled(await service.reissue(session.actor, id));
    return successor.lifecycle === 'issued'
      ? `renewed by ${successor.name} (${successor.id})`
      : `successor ${successor.id} is ${successor.lifecycle}`;
  };
  await applyToEach(session, certificates, { verb: 'renew', done: 'renewed', preview, run }, commit);
}

async function allDue(session: Session): Promise<CertificateView[]> {
  const ids = await session.get(DueRepository).idsDueForRenewal(session.db.single, session.get(Clock).now());
  const reader = session.get(CertificateReader);
  return Promise.all(ids.map((id) => reader.get(id)));
}
