import type { NoticeEvent } from '../plugin-api/events.js';
import type { Incident, Severity } from '../plugin-api/notification.js';
import { inSubject } from './message-layout.js';
import type { NoticeData } from './notice-data.js';
import { expiry } from './notice-words.js';

type Judges = { [E in NoticeEvent]: (data: NoticeData[E], summary: string) => Incident[] };
type Place = { publicUrl: string };

const severities: readonly Severity[] = ['info', 'warning', 'error', 'critical'];
const dayMs = 86_400_000;

/**
 * What each event opens and closes. Expiry, a failed renewal and a deployment by hand are one problem of a certificate,
 * which ends when the certificate is renewed or revoked. `summary` is the subject of the message.
 */
const judges: Judges = {
  'certificate.issued': () => [],
  'certificate.discovered': () => [],
  'certificate.unexpected': ({ certificates, ...at }) =>
    certificates.map(({ id, commonName }) =>
      open(ofCertificate(at, id, 'unexpected'), 'error', `${inSubject(commonName)}: nobody requested it here`),
    ),
  'certificate.still-served': ({ certificate, reason, now, ...at }, summary) => [
    open(
      ofCertificate(at, certificate.id, 'still-served'),
      reason === 'superseded' ? 'warning' : worst(['error', urgency(certificate.notAfter, now)]),
      summary,
    ),
  ],
  'certificate.expiring': ({ certificates, now, ...at }) =>
    certificates.map(({ id, commonName, notAfter, renewal }) => {
      const renews = renewal.renewsAt !== null && renewal.failure === undefined;
      const severity = urgency(notAfter, now);
      const summary = `${inSubject(commonName)} ${expiry(notAfter, now)}`;
      return open(ofCertificate(at, id), renews && severity === 'warning' ? 'info' : severity, summary);
    }),
  'certificate.rotated': ({ before, after, destinations, ...at }, summary) => [
    close(ofCertificate(at, before.id), summary),
    ...destinations.map((label) => close(ofCertificate(at, after.id, `delivery:${label}`), summary)),
  ],
  'certificate.rotation-failed': ({ certificate, now, ...at }, summary) => [
    open(ofCertificate(at, certificate.id), worst(['error', urgency(certificate.notAfter, now)]), summary),
  ],
  'certificate.no-destination': ({ before, now, ...at }, summary) => [
    open(ofCertificate(at, before.id), worst(['error', urgency(before.notAfter, now)]), summary),
  ],
  'certificate.revoked': ({ certificate, ...at }, summary) => [
    close(ofCertificate(at, certificate.id), summary),
    open(ofCertificate(at, certificate.id, 'revoked'), 'warning', summary),
  ],
  'certificate.handed-over': ({ certificate, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, `handed-over:${certificate.owner}`), 'warning', summary),
  ],
  'certificate.taken-over': ({ certificate, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, `taken-over:${certificate.owner}`), 'error', summary),
  ],
  'delivery.failing': ({ certificate, destination, what, ...at }, summary) => [
    open(
      ofCertificate(at, certificate.id, `${what === 'removal' ? 'removal' : 'delivery'}:${destination}`),
      'error',
      summary,
    ),
  ],
  'delivery.left': ({ certificate, destination, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, `removal:${destination}`), 'error', summary),
  ],
  'order.failed': ({ certificate, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, 'order'), 'error', summary),
  ],
  'order.overdue': ({ certificate, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, 'order'), 'error', summary),
  ],
  'order.disputed': ({ certificate, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, 'order'), 'error', summary),
  ],
  'withdrawal.given-up': ({ certificate, kind, ...at }, summary) => [
    open(ofCertificate(at, certificate.id, `withdrawal:${kind}`), 'error', summary),
  ],
  'authority.expiring': ({ authority, now, ...at }, summary) => [
    open(ofAuthority(at, authority.id), urgency(authority.notAfter, now), summary),
  ],
  'run.paused': ({ run, publicUrl }, summary) => [open(keyed(`${publicUrl}/api/1${run.path}`), 'error', summary)],
  'summary.weekly': () => [],
  'crl.overdue': ({ authority, nextUpdate, now, ...at }, summary) => [
    open(ofLists(at, authority.id), nextUpdate && nextUpdate <= now ? 'critical' : 'error', summary),
  ],
};

/** The incidents of a message about an event, whose subject is `summary`, and how bad they are. */
export function incidentsOf<E extends NoticeEvent>(
  event: E,
  data: NoticeData[E],
  summary: string,
): { severity: Severity; incidents: Incident[] } {
  const incidents = judges[event](data, summary);
  const opened = incidents.filter(({ action }) => action === 'open');
  return { incidents, severity: worst(opened.map(({ severity }) => severity)) };
}

/** The worst of them; `info` of none. */
export function worst(of: readonly Severity[]): Severity {
  return severities[Math.max(0, ...of.map((severity) => severities.indexOf(severity)))] ?? 'info';
}

/** Two days leave no time for a mistake, a week some. */
function urgency(notAfter: Date, now: Date): Severity {
  const days = (notAfter.getTime() - now.getTime()) / dayMs;
  if (days <= 2) return 'critical';
  return days <= 7 ? 'error' : 'warning';
}

function ofCertificate({ publicUrl }: Place, id: number, aspect?: string): Pick<Incident, 'key' | 'url'> {
  return keyed(`${publicUrl}/api/1/certificates/${id}`, aspect);
}

function ofAuthority({ publicUrl }: Place, id: number): Pick<Incident, 'key' | 'url'> {
  return keyed(`${publicUrl}/api/1/authorities/${id}`);
}

function ofLists({ publicUrl }: Place, id: number): Pick<Incident, 'key' | 'url'> {
  return keyed(`${publicUrl}/api/1/authorities/${id}/crl`);
}

function keyed(url: string, aspect?: string): Pick<Incident, 'key' | 'url'> {
  return { url, key: aspect === undefined ? url : `${url}#${aspect}` };
}

function open(place: Pick<Incident, 'key' | 'url'>, severity: Severity, summary: string): Incident {
  return { action: 'open', ...place, severity, summary };
}

function close(place: Pick<Incident, 'key' | 'url'>, summary: string): Incident {
  return { action: 'close', ...place, severity: 'info', summary };
}
