import type { MessageCard } from '../plugin-api/notification.js';
import { inSubject } from './message-layout.js';
import type { CertificateFacts, RenewalOutlook, Setting } from './notice-data.js';

// The words that messages of several events have in common.

/** The subject of a message about several certificates: `www.example.com and 2 more: issued`. */
export function several(certificates: readonly CertificateFacts[], what: string): string {
  const names = certificates.slice(0, 1).map(({ commonName }) => inSubject(commonName));
  const more = certificates.length - names.length;
  return `${names.join()}${more > 0 ? ` and ${more} more` : ''}: ${what}`;
}

/** `1 certificate`, `2 certificates`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The distance in its largest whole unit: `in 12 days`, `3 hours ago`, `now`. */
export function inWords(date: Date, now: Date): string {
  const minutes = Math.floor(Math.abs(date.getTime() - now.getTime()) / 60_000);
  const [count, unit] =
    minutes >= 2880
      ? [Math.floor(minutes / 1440), 'day']
      : minutes >= 120
        ? [Math.floor(minutes / 60), 'hour']
        : [minutes, 'minute'];
  if (count === 0) return 'now';
  const words = counted(count, unit);
  return date > now ? `in ${words}` : `${words} ago`;
}

/** `expires in 12 days`, `expired 3 hours ago`. */
export function expiry(notAfter: Date, now: Date): string {
  return `${notAfter > now ? 'expires' : 'expired'} ${inWords(notAfter, now)}`;
}

/** The fact when a certificate expires or has expired. */
export function end(notAfter: Date, now: Date): MessageCard['facts'][number] {
  return [notAfter > now ? 'Expires' : 'Expired', `${inWords(notAfter, now)}, ${utc(notAfter)}`];
}

/** To the minute: `2026-03-01 12:00 UTC`. */
export function utc(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** When and how a certificate renews. */
export function outlook(renewal: RenewalOutlook): string {
  if (renewal.renewsAt === null) return `not automatic (${renewal.reason})`;
  const failure = renewal.failure === undefined ? '' : `; the last attempt failed (${renewal.failure})`;
  return `automatic, on ${utc(renewal.renewsAt)}${failure}`;
}

/** A sentence that tells when the next attempt is. */
export function attempt(nextAttemptAt: Date | null, now: Date): string {
  if (!nextAttemptAt) return 'There is no further attempt until someone acts.';
  return `The next attempt is ${inWords(nextAttemptAt, now)}, at ${utc(nextAttemptAt)}.`;
}

/** The cards of a certificate and of its predecessor. */
export function succession(before: CertificateFacts, after: CertificateFacts, setting: Setting): MessageCard[] {
  return [
    card(after, setting, [
      ['Serial number', after.serialHex],
      ['Expires', utc(after.notAfter)],
    ]),
    card({ ...before, name: `Old: ${before.name}` }, setting, [
      ['Serial number', before.serialHex],
      ['Expires', utc(before.notAfter)],
    ]),
  ];
}

/** The names of the first endpoints, and how many more there are. */
export function serving({ endpoints, servedAt }: { endpoints: number; servedAt: readonly string[] }): string {
  const more = endpoints - servedAt.length;
  return more > 0 ? `${servedAt.join(', ')} and ${counted(more, 'more endpoint')}` : servedAt.join(', ');
}

/** The card of a certificate, with these facts besides its name and owner. */
export function card(
  { id, name, commonName, owner }: CertificateFacts,
  { publicUrl }: Setting,
  facts: MessageCard['facts'],
): MessageCard {
  return {
    title: name,
    url: `${publicUrl}/api/1/certificates/${id}`,
    facts: [['Common name', commonName], ['Owner', owner], ...facts],
  };
}
