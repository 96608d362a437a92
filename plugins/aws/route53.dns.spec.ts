import { signedFor } from '../../test/fakes/aws-signature.js';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeDnsService, type TxtRecords } from '../../test/support/dns-service.js';
import { route53 } from './route53.dns.js';

const accessKeyId = 'AKIDEXAMPLE000000000';
const secretAccessKey = 'Marker-aws-secret-4f6e';
const zones = [
  { id: 'Z0PRIVATE', name: 'sub.example.test.', isPrivate: true },
  { id: 'Z1MAIN', name: 'example.test.', isPrivate: false },
  { id: 'Z2SUB', name: 'sub.example.test.', isPrivate: false },
];

/** Route 53 2013-04-01 as its reference has it: XML, signature 4, batches that compare what they delete. */
function answer(exchange: Exchange, records: TxtRecords): Reply {
  const { method, path, query, text } = exchange;
  const signed = signedFor(exchange, (id) => (id === accessKeyId ? secretAccessKey : null));
  if (signed?.service !== 'route53' || signed.region !== 'us-east-1')
    return failed(403, 'SignatureDoesNotMatch', 'The request signature does not match.');
  if (method === 'GET' && path === '/2013-04-01/hostedzone') return listZones(query);
  const [, id = ''] = /^\/2013-04-01\/hostedzone\/([A-Z0-9]+)\/rrset\/?$/.exec(path) ?? [];
  const zone = zones.find((one) => one.id === id);
  if (!zone) return failed(404, 'NoSuchHostedZone', 'No hosted zone found.');
  if (method === 'GET') {
    const name = (query.get('name') ?? '').replace(/\.$/, '');
    // Route 53 begins at the name that is asked for and goes on with those behind it.
    const at = [...records.keys()].sort().find((one) => one >= name && (records.get(one)?.length ?? 0) > 0);
    return xml(
      `<ListResourceRecordSetsResponse><ResourceRecordSets>${at === undefined ? '' : setOf(at, records)}` +
        '</ResourceRecordSets></ListResourceRecordSetsResponse>',
    );
  }
  return change(text, zone.name, records);
}

function listZones(query: URLSearchParams): Reply {
  const at = Number(query.get('marker') ?? '0');
  const one = zones[at];
  const next = at + 1 < zones.length ? `<IsTruncated>true</IsTruncated><NextMarker>${at + 1}</NextMarker>` : '';
  return xml(
    `<ListHostedZonesResponse><HostedZones><HostedZone><Id>/hostedzone/${one?.id}</Id><Name>${one?.name}</Name>` +
      `<Config><PrivateZone>${one?.isPrivate}</PrivateZone></Config></HostedZone></HostedZones>${next}` +
      '</ListHostedZonesResponse>',
  );
}

const changes = new RegExp(
  '<Change><Action>(\\w+)</Action><ResourceRecordSet><Name>([^<]+)</Name><Type>TXT</Type><TTL>\\d+</TTL>' +
    '(.*?)</ResourceRecordSet>',
  'g',
);
function change(text: string, zone: string, records: TxtRecords): Reply {
  const after = new Map(records);
  for (const [, action, name = '', data = ''] of text.matchAll(changes)) {
    const key = name.replace(/\.$/, '');
    const values = [...data.matchAll(/<Value>([^<]*)<\/Value>/g)].map(([, value = '']) => unquoted(value));
    if (!`.${name}`.endsWith(`.${zone}`)) return batchFailure('RRSet with that name is not permitted in the zone');
    const old = after.get(key) ?? [];
    if (action === 'DELETE' && String(old) !== String(values)) return batchFailure('the values do not match');
    if (action === 'CREATE' && old.length > 0) return batchFailure('it already exists');
    after.set(key, action === 'DELETE' ? [] : values);
  }
  for (const [key, values] of after) records.set(key, values);
  return xml('<ChangeResourceRecordSetsResponse><ChangeInfo/></ChangeResourceRecordSetsResponse>');
}

const entity = (text: string): string => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
const unquoted = (data: string): string =>
  [...entity(data).matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part = '']) => part.replace(/\\(.)/g, '$1')).join('');

function setOf(name: string, records: TxtRecords): string {
  const data = (records.get(name) ?? []).map((value) => {
    const quoted = (value.match(/.{1,255}/g) ?? []).map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ');
    const escaped = quoted.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
    return `<ResourceRecord><Value>${escaped}</Value></ResourceRecord>`;
  });
  const values = `<ResourceRecords>${data.join('')}</ResourceRecords>`;
  return `<ResourceRecordSet><Name>${name}.</Name><Type>TXT</Type><TTL>60</TTL>${values}</ResourceRecordSet>`;
}

const xml = (body: string): Reply => ({
  status: 200,
  body: `<?xml version="1.0"?>${body}`,
  headers: { 'content-type': 'text/xml' },
});
const failed = (status: number, code: string, message: string): Reply => ({
  status,
  body:
    `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>` +
    '</ErrorResponse>',
  headers: { 'content-type': 'text/xml' },
});
const batchFailure = (message: string): Reply => ({
  status: 400,
  body: `<InvalidChangeBatch><Messages><Message>${message}</Message></Messages></InvalidChangeBatch>`,
});
const options = (secret: string) => route53.options.parse({ accessKeyId, secretAccessKey: secret });

describeDnsService('route53', {
  plugin: route53,
  options: options(secretAccessKey),
  wrong: options('Marker-aws-wrong-4f6e'),
  secrets: [secretAccessKey, 'Marker-aws-wrong-4f6e'],
  answer,
});
