import { inSubject, type MessageDraft } from './message-layout.js';
import type { NoticeData } from './notice-data.js';
import { card, end, expiry, serving, several } from './notice-words.js';

type DiscoveryEvent = 'certificate.discovered' | 'certificate.unexpected' | 'certificate.still-served';
type Writers = { [E in DiscoveryEvent]: (data: NoticeData[E]) => MessageDraft };

const stillServed = {
  revoked: {
    subject: 'revoked, and still served',
    heading: 'A revoked certificate is still served',
    text: 'Clients that check revocation refuse to connect. Install another certificate there.',
  },
  superseded: {
    subject: 'replaced, and still served',
    heading: 'A replaced certificate is still served',
    text: 'A scan has seen it after its successor replaced it. Install the successor there, or reload the service.',
  },
  expiring: {
    subject: 'about to expire, and still served',
    heading: 'A certificate that is about to expire is still served',
    text: 'Clients refuse to connect when it has expired. Renew it, or install its successor there.',
  },
} as const;

/** The messages of what sources find. */
export const discoveryTexts: Writers = {
  'certificate.discovered': ({ certificates, ...setting }) => ({
    subject: several(certificates, 'discovered'),
    heading:
      certificates.length === 1
        ? 'A certificate was discovered'
        : `${certificates.length} certificates were discovered`,
    paragraphs: ['A source found it, and it was not known here. Its owner is warned before it expires.'],
    cards: certificates.map((one) => card(one, setting, [end(one.notAfter, setting.now)])),
  }),

  'certificate.unexpected': ({ certificates, ...setting }) => ({
    subject: several(certificates, 'issued by a CA that was not asked here'),
    heading:
      certificates.length === 1
        ? 'A certificate was issued that nobody requested here'
        : `${certificates.length} certificates were issued that nobody requested here`,
    paragraphs: [
      'A public log shows it. If nobody in your organization requested it, somebody else can pose as its names: ' +
        'ask the CA to revoke it, and find out how its check of the domain was passed.',
    ],
    cards: certificates.map((one) =>
      card(one, setting, [['Issuer', one.issuer], ['Serial number', one.serialHex], end(one.notAfter, setting.now)]),
    ),
  }),

  'certificate.still-served': ({ certificate, reason, endpoints, servedAt, ...setting }) => {
    const words = stillServed[reason];
    const when = reason === 'expiring' ? `${expiry(certificate.notAfter, setting.now)}, and is still served` : '';
    return {
      subject: `${inSubject(certificate.commonName)}: ${when || words.subject}`,
      heading: words.heading,
      paragraphs: [words.text],
      cards: [
        card(certificate, setting, [
          ['Served at', serving({ endpoints, servedAt })],
          ['Serial number', certificate.serialHex],
          end(certificate.notAfter, setting.now),
        ]),
      ],
    };
  },
};
