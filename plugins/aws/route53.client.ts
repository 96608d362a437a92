import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService } from './aws.client.js';
import { elements, escaped, textOf } from './xml.js';

const version = '/2013-04-01';
const namespace = 'https://route53.amazonaws.com/doc/2013-04-01/';
const mostPages = 50;

interface Call {
  method?: 'GET' | 'POST';
  path: string;
  query?: Record<string, string>;
  body?: string;
}

/** The REST API of Route 53 (XML), as far as TXT records need it. */
export class Route53Client {
  private readonly service: AwsService;

  /** Route 53 is one service for all regions, signed for us-east-1. */
  constructor(access: Omit<AwsAccess, 'region'>, ctx: PluginContext) {
    const region = 'us-east-1';
    const service = { name: 'Route 53', signedAs: 'route53', host: 'route53.amazonaws.com', region };
    this.service = new AwsService(service, { ...access, region }, ctx);
  }

  /** The public zones: id, and name in lower case without a dot at the end. */
  async zones(): Promise<{ id: string; name: string }[]> {
    const zones: { id: string; name: string }[] = [];
    let marker: string | undefined;
    for (let pages = 0; pages < mostPages; pages += 1) {
      const answer = await this.ask({
        path: `${version}/hostedzone`,
        query: { maxitems: '100', ...(marker !== undefined && { marker }) },
      });
      for (const zone of elements(answer, 'HostedZone'))
        if (textOf(zone, 'PrivateZone') !== 'true')
          zones.push({
            id: (textOf(zone, 'Id') ?? '').replace('/hostedzone/', ''),
            name: unescaped(textOf(zone, 'Name') ?? ''),
          });
      marker = textOf(answer, 'NextMarker');
      if (marker === undefined) break;
    }
    return zones;
  }

  /**
   * Replaces the values of a TXT record set, unless it has changed since it was read: then PluginError `unavailable`.
   * Route 53 compares what is deleted with what is there, and does all of a batch or nothing.
   */
  async change(zoneId: string, name: string, edit: (values: string[]) => string[], ttlS = 60): Promise<void> {
    const path = `${version}/hostedzone/${encodeURIComponent(zoneId)}/rrset`;
    const answer = await this.ask({ path, query: { maxitems: '1', name: `${name}.`, type: 'TXT' } });
    const found = elements(answer, 'ResourceRecordSet').find(
      (set) => unescaped(textOf(set, 'Name') ?? '') === name && textOf(set, 'Type') === 'TXT',
    );
    const data = found === undefined ? [] : elements(found, 'ResourceRecord').map((one) => textOf(one, 'Value') ?? '');
    const before = data.map(unquoted);
    const after = edit(before);
    if (after.length === before.length && after.every((value, at) => value === before[at])) return;
    const ttl = found === undefined ? String(ttlS) : (textOf(found, 'TTL') ?? '');
    const changes = [
      ...(found === undefined ? [] : [changeOf('DELETE', name, ttl, data)]),
      ...(after.length === 0 ? [] : [changeOf('CREATE', name, ttl, after.map(quoted))]),
    ];
    const batch = `<ChangeBatch><Changes>${changes.join('')}</Changes></ChangeBatch>`;
    await this.ask({
      method: 'POST',
      path: `${path}/`,
      body:
        '<?xml version="1.0" encoding="UTF-8"?>' +
        `<ChangeResourceRecordSetsRequest xmlns="${namespace}">${batch}</ChangeResourceRecordSetsRequest>`,
    });
  }

  private async ask({ body, ...call }: Call): Promise<string> {
    const answer = await this.service.send({
      ...call,
      ...(body !== undefined && { body, headers: { 'content-type': 'application/xml' } }),
    });
    const text = answer.body.toString('utf8');
    if (/^\s*(<\?xml[^>]*>\s*)?<\w+Response[\s>]/.test(text)) return text;
    throw new PluginError('unavailable', 'Route 53 answers something else than XML.');
  }
}

function changeOf(action: 'CREATE' | 'DELETE', name: string, ttl: string, data: readonly string[]): string {
  const records = data.map((one) => `<ResourceRecord><Value>${escaped(one)}</Value></ResourceRecord>`).join('');
  const set = `<Name>${escaped(name)}.</Name><Type>TXT</Type><TTL>${escaped(ttl)}</TTL>`;
  return (
    `<Change><Action>${action}</Action><ResourceRecordSet>${set}` +
    `<ResourceRecords>${records}</ResourceRecords></ResourceRecordSet></Change>`
  );
}

/** A name of Route 53, which writes unusual characters as `\052`, as other names are written. */
function unescaped(name: string): string {
  return name
    .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    .toLowerCase()
    .replace(/\.$/, '');
}

/** Character strings as zone files have them (RFC 1035 §5.1). */
function quoted(value: string): string {
  const parts = value.match(/.{1,255}/g) ?? [''];
  return parts.map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ');
}

function unquoted(data: string): string {
  const parts = [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)];
  return parts.length > 0 ? parts.map(([, part = '']) => part.replace(/\\(.)/g, '$1')).join('') : data;
}
