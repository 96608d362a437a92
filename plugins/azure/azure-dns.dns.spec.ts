import { expect, it } from 'vitest';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { contextFor, describeDnsService, type TxtRecords } from '../../test/support/dns-service.js';
import { azureDns } from './azure-dns.dns.js';

const clientSecret = 'Marker-azure-secret-4f6e';
const given = new Set<string>();
const etags = new Map<string, string>();
const group = '/subscriptions/sub-1/resourceGroups/dns-rg/providers/Microsoft.Network/dnszones';
const zones = ['example.test', 'Sub.example.test'];

/** Azure's sign-in and DNS REST API 2018-05-01 as their references have it: pages by nextLink, changes by etag. */
function answer(exchange: Exchange, records: TxtRecords): Reply {
  const { method, path, query, headers } = exchange;
  if (headers['x-host'] === 'login.microsoftonline.com') return signIn(exchange);
  if (headers['x-host'] !== 'management.azure.com') return failed(404, 'NotFound');
  if (!given.has(headers.authorization ?? '')) return failed(401, 'InvalidAuthenticationToken');
  if (query.get('api-version') !== '2018-05-01') return failed(400, 'MissingApiVersionParameter');
  if (method === 'GET' && path === group) {
    const isSecond = query.get('$skipToken') === '1';
    return {
      status: 200,
      body: {
        value: [{ name: zones[isSecond ? 1 : 0] }],
        ...(!isSecond && {
          nextLink: `https://management.azure.com${group}?api-version=2018-05-01&$top=1&$skipToken=1`,
        }),
      },
    };
  }
  const [, zone = '', relative = ''] = new RegExp(`^${group}/([^/]+)/TXT/([^/]+)$`).exec(path) ?? [];
  if (!zones.some((one) => one.toLowerCase() === zone)) return failed(404, 'ParentResourceNotFound');
  const name = relative === '%40' || relative === '@' ? zone : `${relative}.${zone}`;
  return recordSet(exchange, name, records);
}

function recordSet({ method, headers, json }: Exchange, name: string, records: TxtRecords): Reply {
  const values = records.get(name);
  const etag = etags.get(name);
  if (method === 'GET' && values === undefined) return failed(404, 'NotFound');
  if (method === 'GET') return setOf(etag ?? '', values ?? []);
  const matches = headers['if-match'] !== undefined ? headers['if-match'] === etag : values === undefined;
  if (headers['if-match'] === undefined && headers['if-none-match'] !== '*') return failed(400, 'PreconditionMissing');
  if (!matches) return failed(412, 'PreconditionFailed');
  if (method === 'DELETE') {
    records.delete(name);
    etags.delete(name);
    return { status: 200, body: '' };
  }
  const { TTL, TXTRecords } = (json as { properties: { TTL: number; TXTRecords: { value: string[] }[] } }).properties;
  if (!(TTL > 0) || TXTRecords.length === 0) return failed(400, 'BadRequest');
  if (TXTRecords.some(({ value }) => value.some((part) => part.length > 255))) return failed(400, 'BadRequest');
  records.set(
    name,
    TXTRecords.map(({ value }) => value.join('')),
  );
  etags.set(name, `etag-${Math.random()}`);
  return setOf(etags.get(name) ?? '', records.get(name) ?? []);
}

function signIn({ method, path, text }: Exchange): Reply {
  const form = new URLSearchParams(text);
  const isRight =
    method === 'POST' &&
    path === '/tenant-1/oauth2/v2.0/token' &&
    form.get('grant_type') === 'client_credentials' &&
    form.get('client_id') === 'app-1' &&
    form.get('scope') === 'https://management.azure.com/.default';
  if (!isRight) return { status: 400, body: { error: 'invalid_request', error_description: 'AADSTS900144' } };
  if (form.get('client_secret') !== clientSecret)
    return { status: 401, body: { error: 'invalid_client', error_description: `AADSTS7000215: ${text}` } };
  const token = `token-${given.size}`;
  given.add(`Bearer ${token}`);
  return { status: 200, body: { token_type: 'Bearer', expires_in: 3599, access_token: token } };
}

const setOf = (etag: string, values: readonly string[]): Reply => ({
  status: 200,
  body: { etag, properties: { TTL: 60, TXTRecords: values.map((value) => ({ value: value.match(/.{1,255}/g) })) } },
});
const failed = (status: number, code: string): Reply => ({
  status,
  body: { error: { code, message: `It is ${code}` } },
});
const options = (secret: string) =>
  azureDns.options.parse({
    tenantId: 'tenant-1',
    clientId: 'app-1',
    clientSecret: secret,
    subscriptionId: 'sub-1',
    resourceGroup: 'dns-rg',
  });

describeDnsService(
  'azure-dns',
  {
    plugin: azureDns,
    options: options(clientSecret),
    wrong: options('Marker-azure-wrong-4f6e'),
    secrets: [clientSecret, 'Marker-azure-wrong-4f6e'],
    answer,
  },
  ({ standIn, records }) => {
    const record = { name: '_acme-challenge.race.example.test', value: 'mine', ttlS: 60 };

    it('signs in again when a token has lapsed, and tries later when another one has changed the record', async () => {
      given.clear();
      await azureDns.present(record, options(clientSecret), contextFor(standIn()));
      expect(records.get(record.name)).toEqual(['mine']);
      const context = contextFor(standIn());
      const { site } = context;
      const meddling: PluginContext['site']['fetch'] = async (url, request) => {
        if (request?.method === 'PUT') etags.set(record.name, 'changed');
        return site.fetch(url, request);
      };
      const work = azureDns.present({ ...record, value: 'second' }, options(clientSecret), {
        ...context,
        site: { ...site, fetch: meddling },
      });
      await expect(work).rejects.toMatchObject({ fault: 'unavailable', detail: expect.stringContaining('meanwhile') });
      expect(records.get(record.name)).toEqual(['mine']);
    });
  },
);
