import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

export const kvToken = 's.TokenOfTheKvEngine';

interface Version {
  fields: Record<string, unknown>;
  destroyed: boolean;
  deletedAt: string;
}

export interface FakeVaultKv extends StandIn {
  /** What `capabilities-self` answers for every path. */
  capabilities: string[];
}

const nothing: Reply = { status: 404, body: { errors: [] } };
const done: Reply = { status: 204 };
const refuse = (status: number, words: string): Reply => ({ status, body: { errors: [words] } });
const found = (data: object, status = 200): Reply => ({ status, body: { data } });

/** The KV engines at `kv1` and `kv2` of OpenBao 2.7, as it answered, and another engine at `transit`. */
export async function startVaultKv(): Promise<FakeVaultKv> {
  const first = new Map<string, object>();
  const second = new Map<string, Version[]>();
  const state = { capabilities: ['root'] };
  const standIn = await startStandIn((exchange) => {
    const { path, headers, json } = exchange;
    if (headers['x-vault-token'] !== kvToken) return refuse(403, 'permission denied');
    const [, mount = '', below = ''] = /^\/v1\/(kv1|kv2|[^/]+)\/(.*)$/.exec(decodeURIComponent(path)) ?? [];
    if (mount === 'sys') return system(below, json, state.capabilities);
    if (mount === 'auth') return refuse(400, 'lease is not renewable');
    if (mount === 'kv1') return version1(below, exchange, first);
    if (mount === 'kv2') return version2(below, exchange, second);
    return refuse(404, `no handler for route "${path.slice(4)}". route entry not found.`);
  });
  return Object.assign(state, standIn);
}

function system(path: string, json: unknown, may: readonly string[]): Reply {
  const mounts: Readonly<Record<string, object>> = {
    kv1: { type: 'kv', options: { version: '1' } },
    kv2: { type: 'kv', options: { version: '2' } },
    transit: { type: 'transit', options: null },
  };
  if (path === 'capabilities-self') {
    const { paths } = json as { paths: string[] };
    return found(Object.fromEntries(paths.map((one) => [one, may])));
  }
  const mount = path.replace(/^internal\/ui\/mounts\//, '');
  const known = mounts[mount];
  return known
    ? found(known)
    : refuse(
        403,
        `preflight capability check returned 403, please ensure client's policies grant access to path "${mount}/"`,
      );
}

/** The names right below a folder, sorted; folders once, with a slash at their end. */
function namesBelow(folder: string, paths: Iterable<string>): Reply {
  const start = folder === '' ? '' : folder.replace(/\/?$/, '/');
  const below = [...paths].filter((path) => path.startsWith(start)).map((path) => path.slice(start.length));
  const keys = [...new Set(below.map((path) => /^[^/]*\/?/.exec(path)?.[0] ?? ''))].sort();
  return keys.length === 0 ? nothing : found({ keys });
}

function version1(path: string, { method, json, query }: Exchange, secrets: Map<string, object>): Reply {
  if (query.get('list') === 'true') return namesBelow(path, secrets.keys());
  const held = secrets.get(path);
  if (method === 'GET') return held ? found(held) : nothing;
  if (method === 'DELETE') secrets.delete(path);
  else secrets.set(path, json as object);
  return done;
}

function version2(path: string, exchange: Exchange, secrets: Map<string, Version[]>): Reply {
  if (exchange.query.get('list') === 'true' && path.startsWith('metadata/'))
    return namesBelow(path.slice('metadata/'.length), secrets.keys());
  const [, kind = '', name = ''] = /^(data|metadata|destroy)\/(.+)$/.exec(path) ?? [];
  const versions = secrets.get(name) ?? [];
  const { method } = exchange;
  switch (`${method} ${kind}`) {
    case 'GET data':
      return versionOf(versions, Number(exchange.query.get('version') ?? versions.length));
    case 'POST data':
      return write(exchange, versions, () => secrets.set(name, versions));
    case 'DELETE data':
      versions.at(-1)!.deletedAt = new Date().toISOString();
      return done;
    case 'GET metadata':
      return versions.length === 0 ? nothing : found({ versions: Object.fromEntries(versions.map(listed)) });
    case 'PUT destroy':
      for (const number of (exchange.json as { versions: number[] }).versions)
        Object.assign(versions[number - 1] ?? {}, { destroyed: true, fields: {} });
      return done;
    default:
      return { status: 404, body: { data: null, warnings: ['Invalid path for a versioned K/V secrets engine.'] } };
  }
}

function versionOf(versions: readonly Version[], number: number): Reply {
  const held = versions[number - 1];
  if (!held) return nothing;
  const { destroyed, deletedAt, fields } = held;
  const metadata = { version: number, destroyed, deletion_time: deletedAt };
  return destroyed || deletedAt !== '' ? found({ data: null, metadata }, 404) : found({ data: fields, metadata });
}

function write({ json }: Exchange, versions: Version[], keep: () => void): Reply {
  const { data, options } = json as { data: Record<string, unknown>; options?: { cas?: number } };
  if (options?.cas !== undefined && options.cas !== versions.length)
    return refuse(400, 'check-and-set parameter did not match the current version');
  versions.push({ fields: data, destroyed: false, deletedAt: '' });
  keep();
  return found({ version: versions.length, destroyed: false, deletion_time: '' });
}

function listed({ destroyed, deletedAt }: Version, at: number): [string, object] {
  return [String(at + 1), { destroyed, deletion_time: deletedAt }];
}
