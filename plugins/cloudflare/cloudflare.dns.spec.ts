import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeDnsService, type TxtRecords } from '../../test/support/dns-service.js';
import { cloudflare } from './cloudflare.dns.js';

const token = 'Marker-cf-token-4f6e';
const zones = [
  { id: '023e105f4ecef8ad9ca31a8372d0c353', name: 'example.test' },
  { id: '9a7806061c88ada191ed06f989cc3dac', name: 'sub.example.test' },
];
/** Ids of records, by name and value. */
const ids = new Map<string, string>();
let made = 0;

/** The API of Cloudflare (version 4) as its reference has it: one zone on a page, contents in quotes. */
function answer({ method, path, query, headers, json }: Exchange, records: TxtRecords): Reply {
  if (headers['x-host'] !== 'api.cloudflare.com') return failed(404, 7000, 'No route for that URI');
  if (headers.authorization !== `Bearer ${token}`)
    return failed(403, 9109, `Invalid access token ${token.slice(0, 3)}`);
  if (method === 'GET' && path === '/client/v4/zones') {
    const page = Number(query.get('page') ?? '1');
    return ok(zones.slice(page - 1, page), { page, per_page: 1, total_pages: zones.length });
  }
  const [, zoneId, , recordId] =
    /^\/client\/v4\/zones\/([0-9a-f]{32})\/dns_records(\/([0-9a-f]{32}))?$/.exec(path) ?? [];
  const zone = zones.find(({ id }) => id === zoneId);
  if (!zone) return failed(404, 7003, 'Could not route to that zone');
  if (method === 'GET') return ok(listed(records, query.get('name') ?? '', query.get('type')));
  if (method === 'DELETE') return remove(records, recordId ?? '');
  if (method !== 'POST') return failed(405, 10000, 'Method not allowed');
  const { type, name, content, ttl } = json as Record<string, unknown>;
  if (type !== 'TXT' || typeof name !== 'string' || typeof content !== 'string') return failed(400, 9005, 'Bad record');
  if (typeof ttl !== 'number' || ttl < 60) return failed(400, 9021, 'Invalid TTL');
  if (name !== zone.name && !name.endsWith(`.${zone.name}`)) return failed(400, 9000, 'DNS name is invalid');
  const value = unquoted(content);
  const id = (made += 1).toString(16).padStart(32, '0');
  if (records.get(name)?.includes(value)) return failed(400, 81058, 'An identical record already exists.');
  ids.set(`${name} ${value}`, id);
  records.set(name, [...(records.get(name) ?? []), value]);
  return ok({ id, name, type, content, ttl });
}

function listed(records: TxtRecords, name: string, type: string | null): object[] {
  if (type !== 'TXT') return [];
  return (records.get(name) ?? []).map((value) => ({
    id: ids.get(`${name} ${value}`) ?? '',
    name,
    type,
    content: (value.match(/.{1,255}/g) ?? []).map((part) => JSON.stringify(part)).join(' '),
  }));
}

function remove(records: TxtRecords, id: string): Reply {
  for (const [key, known] of ids) {
    if (known !== id) continue;
    const [name = ''] = key.split(' ');
    records.set(
      name,
      (records.get(name) ?? []).filter((value) => `${name} ${value}` !== key),
    );
    ids.delete(key);
    return ok({ id });
  }
  return failed(404, 81044, 'Record does not exist.');
}

const unquoted = (content: string): string => content.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1');
const ok = (result: unknown, info?: object): Reply => ({
  status: 200,
  body: { success: true, errors: [], messages: [], result, ...(info && { result_info: info }) },
});
const failed = (status: number, code: number, message: string): Reply => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});

describeDnsService('cloudflare', {
  plugin: cloudflare,
  options: cloudflare.options.parse({ apiToken: token }),
  wrong: cloudflare.options.parse({ apiToken: 'Marker-wrong-4f6e' }),
  secrets: [token, 'Marker-wrong-4f6e'],
  answer,
});
