import type { NoticeEvent } from '../plugin-api/events.js';
import { deliveryFailures } from './delivery-failures.js';
import { discoveryTexts } from './discovery-texts.js';
import { inSubject, type MessageDraft, type RenderedMessage, renderMessage } from './message-layout.js';
import type { NoticeData } from './notice-data.js';
import { attempt, card, counted, end, expiry, outlook, serving, several, succession, utc } from './notice-words.js';

type Writers = { [E in NoticeEvent]: (data: NoticeData[E]) => MessageDraft };

/** What a CA was asked and did not do. */
const notDone = {
  revoke: 'revoke it',
  hold: 'put it on hold',
  release: 'release it',
  cancel: 'cancel the order',
  close: 'cancel the order',
} as const;

const writers: Writers = {
  ...discoveryTexts,

  'certificate.issued': ({ certificates, ...setting }) => ({
    subject: several(certificates, 'issued'),
    heading: certificates.length === 1 ? 'A certificate was issued' : `${certificates.length} certificates were issued`,
    paragraphs: [],
    cards: certificates.map((one) => card(one, setting, [end(one.notAfter, setting.now)])),
  }),

  'certificate.expiring': ({ certificates, ...setting }) => {
    const soonest = certificates.reduce((a, b) => (b.notAfter < a.notAfter ? b : a));
    const first = `${inSubject(soonest.commonName)} ${expiry(soonest.notAfter, setting.now)}`;
    const manual = certificates.filter(({ renewal }) => renewal.renewsAt === null).length;
    const some = manual === certificates.length ? '' : 'Not all of them renew automatically. ';
    return {
      subject: certificates.length === 1 ? first : `${certificates.length} certificates: ${first}`,
      heading: certificates.length === 1 ? 'A certificate expires' : `${certificates.length} certificates expire`,
      paragraphs: [
        manual === 0
          ? 'No action is needed as long as the renewal succeeds.'
          : `${some}Renew what is still needed, and revoke what is not.`,
      ],
      cards: certificates.map((certificate) =>
        card(certificate, setting, [
          end(certificate.notAfter, setting.now),
          ['Renewal', outlook(certificate.renewal)],
          ...(certificate.endpoints === 0 ? [] : [['Served at', serving(certificate)] as const]),
        ]),
      ),
    };
  },

  'certificate.rotated': ({ before, after, destinations, ...setting }) => ({
    subject: `${inSubject(after.commonName)}: renewed`,
    heading: 'A certificate was renewed',
    paragraphs: [
      destinations.length === 0
        ? 'The new certificate replaces the old one.'
        : `The new certificate is deployed at: ${destinations.join(', ')}.`,
    ],
    cards: succession(before, after, setting),
  }),

  'certificate.rotation-failed': ({ certificate, reason, nextAttemptAt, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: renewal failed, ${expiry(certificate.notAfter, setting.now)}`,
    heading: 'A certificate could not be renewed',
    paragraphs: [`Reason: ${reason}`, attempt(nextAttemptAt, setting.now)],
    cards: [card(certificate, setting, [end(certificate.notAfter, setting.now)])],
  }),

  'certificate.no-destination': ({ before, after, ...setting }) => ({
    subject: `${inSubject(after.commonName)}: renewed, must be deployed by hand`,
    heading: 'A renewed certificate waits to be deployed',
    paragraphs: [
      'It has no destination, so nothing puts it where it is used. Deploy it by hand; the old ' +
        `one ${expiry(before.notAfter, setting.now)}, on ${utc(before.notAfter)}.`,
    ],
    cards: succession(before, after, setting),
  }),

  'certificate.revoked': ({ certificate, reason, comments, replaced, revokedAt, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: revoked`,
    heading: 'A certificate was revoked',
    paragraphs: [
      'Clients that check revocation refuse it from now on. ' +
        (replaced ? 'A successor with a new key replaces it.' : 'It will not be renewed.'),
    ],
    cards: [
      card(certificate, setting, [
        ['Revoked', utc(revokedAt)],
        ['Reason', reason],
        ...(comments ? [['Comments', comments] as const] : []),
      ]),
    ],
  }),

  'certificate.taken-over': ({ certificate, formerOwner, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: taken over by ${inSubject(certificate.owner)}`,
    heading: 'A certificate was taken over',
    paragraphs: [
      `It was uploaded without its private key and belonged to ${formerOwner}. Now it was uploaded with proof of ` +
        `that key, and belongs to ${certificate.owner}, who is warned before it expires.`,
      'If nobody but you should have that key, it has leaked: revoke the certificate at its issuer.',
    ],
    cards: [card(certificate, setting, [end(certificate.notAfter, setting.now)])],
  }),

  'certificate.handed-over': ({ certificate, formerOwner, vouchingRole, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: handed over to you`,
    heading: 'A certificate was handed over to you',
    paragraphs: [
      `Until now it belonged to ${formerOwner}. It goes on renewing by the rights ` +
        `${vouchingRole === null ? 'of its creator' : `of ${vouchingRole} and of its creator`}, and stops when these ` +
        'no longer cover its names.',
      `To accept it, so that it renews by your rights: send POST ${setting.publicUrl}/api/1/certificates/` +
        `${certificate.id}/accept. Any holder of the role ${certificate.owner} can do so.`,
    ],
    cards: [card(certificate, setting, [end(certificate.notAfter, setting.now)])],
  }),

  'delivery.failing': ({ certificate, destination, what, reason, attempts, nextAttemptAt, ...setting }) => {
    const words = deliveryFailures[what];
    return {
      subject: `${inSubject(certificate.commonName)}: ${words.subject(inSubject(destination))}`,
      heading: words.heading,
      paragraphs: [
        `${words.fact(destination, attempts === 1 ? 'one attempt' : `${attempts} attempts`)} Reason: ${reason}`,
        ...(what === 'use' ? [] : [attempt(nextAttemptAt, setting.now)]),
      ],
      cards: [card(certificate, setting, [['Destination', destination], end(certificate.notAfter, setting.now)])],
    };
  },

  'delivery.left': ({ certificate, destination, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: revoked, must be removed from ${inSubject(destination)} by hand`,
    heading: 'A revoked certificate is still deployed',
    paragraphs: [
      `It was delivered to ${destination}, and nothing can remove it from there. Remove the certificate and its ` +
        'private key by hand.',
    ],
    cards: [
      card(certificate, setting, [
        ['Destination', destination],
        ['Serial number', certificate.serialHex],
      ]),
    ],
  }),

  'order.failed': ({ certificate, reason, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: the issuer did not issue it`,
    heading: 'A certificate was not issued',
    paragraphs: [`Reason: ${reason}`, 'The order is not tried again. Request the certificate again.'],
    cards: [card(certificate, setting, [])],
  }),

  'order.overdue': ({ certificate, reason, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: the issuer did not deliver`,
    heading: 'A certificate was not issued in time',
    paragraphs: [`Reason: ${reason}`, 'The order is cancelled at the CA. Request the certificate again.'],
    cards: [card(certificate, setting, [])],
  }),

  'order.disputed': ({ certificate, reason, deadlineAt, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: the answer of the issuer differs from the request`,
    heading: 'The answer of an issuer needs your decision',
    paragraphs: [
      `Reason: ${reason}`,
      'The certificate is kept and delivered nowhere. To take it as it is, send POST ' +
        `${setting.publicUrl}/api/1/pending_certificates/${certificate.id}/accept; to have it revoked, /reject.` +
        (deadlineAt ? ` Without a decision it is revoked on ${utc(deadlineAt)}.` : ''),
    ],
    cards: [card(certificate, setting, [['Serial number', certificate.serialHex]])],
  }),

  'withdrawal.given-up': ({ certificate, kind, reason, ...setting }) => ({
    subject: `${inSubject(certificate.commonName)}: the CA did not ${notDone[kind]}`,
    heading:
      kind === 'revoke'
        ? 'A certificate is not revoked at the CA'
        : kind === 'hold' || kind === 'release'
          ? `The CA did not ${notDone[kind]}`
          : 'An order is not cancelled at the CA',
    paragraphs: [
      ...(reason === null ? [] : [`Reason: ${reason}`]),
      kind === 'revoke'
        ? 'The CA is not asked again. Clients that ask the CA accept the certificate: have it revoked there by hand.'
        : kind === 'hold' || kind === 'release'
          ? 'The CA is not asked again. Have it done there by hand.'
          : 'The CA is not asked again. Cancel the order there by hand, and have revoked what was issued for it.',
    ],
    cards: [card(certificate, setting, certificate.serialHex ? [['Serial number', certificate.serialHex]] : [])],
  }),

  'authority.expiring': ({ authority: { id, name, commonName, owner, notAfter }, publicUrl, now }) => ({
    subject: `Authority ${inSubject(name)} ${expiry(notAfter, now)}`,
    heading: 'An authority expires',
    paragraphs: [
      'An authority does not renew automatically: create its successor, distribute the new certificate to its ' +
        'relying parties, and issue from it. No certificate of an authority expires after the authority.',
    ],
    cards: [
      {
        title: name,
        url: `${publicUrl}/api/1/authorities/${id}`,
        facts: [['Common name', commonName], ['Owner', owner], end(notAfter, now)],
      },
    ],
  }),

  'run.paused': ({ run, reason, publicUrl }) => ({
    subject: `The ${run.kind} run ${run.id} is paused; certificates that wait: ${run.waiting}`,
    heading: `A ${run.kind} run cannot go on`,
    paragraphs: [`Reason: ${reason}`, 'Until somebody resumes it, its other certificates stay as they are.'],
    cards: [
      {
        title: `${run.kind} run ${run.id}`,
        url: `${publicUrl}/api/1${run.path}`,
        facts: [
          ['Creator', run.creator],
          ['Certificates that wait', String(run.waiting)],
          ['Certificates that are done', String(run.done)],
        ],
      },
    ],
  }),

  'summary.weekly': ({ watched, ending, failing, certificates, ...setting }) => ({
    subject:
      `Weekly summary: ${ending} of ${counted(watched, 'certificate')} ` +
      `${expire(watched === 1 ? 1 : ending)} within 30 days`,
    heading: 'Weekly summary',
    paragraphs: [
      `${counted(watched, 'certificate')} ${watched === 1 ? 'is' : 'are'} watched: ${ending} ${expire(ending)} ` +
        `within 30 days, and the last renewal of ${failing} failed.`,
      ...(ending > certificates.length ? [`The first ${certificates.length} to expire are listed.`] : []),
    ],
    cards: certificates.map((one) => card(one, setting, [end(one.notAfter, setting.now)])),
  }),

  'crl.overdue': ({ authority, lists, nextUpdate, reason, publicUrl, now }) => {
    const isOver = nextUpdate !== null && nextUpdate <= now;
    return {
      subject: `Authority ${inSubject(authority.name)}: ${isOver ? 'its CRL has ended' : 'its CRL is overdue'}`,
      heading: isOver ? 'A CRL has ended' : 'A CRL is overdue',
      paragraphs: [
        isOver
          ? 'Clients that insist on a current CRL refuse every certificate of this authority.'
          : 'A newer CRL should have been made by now. When the present one ends, clients that insist on a CRL ' +
            'refuse every certificate of this authority.',
        reason === null ? 'No attempt has failed: see whether a worker runs.' : `Reason: ${reason}`,
      ],
      cards: [
        {
          title: authority.name,
          url: `${publicUrl}/api/1/authorities/${authority.id}/crl`,
          facts: [
            ['Common name', authority.commonName],
            ['Owner', authority.owner],
            ['Overdue CRLs', String(lists)],
            ['Next update', nextUpdate === null ? 'none was made yet' : utc(nextUpdate)],
          ],
        },
      ],
    };
  },
};

function expire(count: number): string {
  return count === 1 ? 'expires' : 'expire';
}

/** Writes the message for an event. Names and reasons are shown unchanged. */
export function renderNotice<E extends NoticeEvent>(event: E, data: NoticeData[E]): RenderedMessage {
  return renderMessage(writers[event](data));
}
