import { randomUUID } from 'node:crypto';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

export const kubernetesToken = 'eyJhbGciOiJSUzI1NiJ9.stand-in.TokenOfTheServiceAccount';

type Field = { value: string; managers: Set<string> };

/** A secret as its fields, each with those who manage it: `type`, `data.NAME` and `label.NAME`. */
interface Stored {
  uid: string;
  version: number;
  fields: Map<string, Field>;
}

export interface FakeKubernetes extends StandIn {
  /** By namespace and name. */
  readonly secrets: Map<string, Stored>;
  /** The `spec.tls` of ingresses, by namespace and name. */
  readonly ingresses: Map<string, object[]>;
  /** Verbs that the token may not use on secrets. */
  readonly denied: Set<string>;
  /** A hook of the cluster that changes what is written. */
  mutate?: ((fields: Map<string, string>) => void) | undefined;
  /** What another writer (`kubectl`) does: its fields, whoever managed them. */
  edit(at: string, fields: Readonly<Record<string, string>>): void;
  /** The values of a secret; undefined when there is none. */
  valuesOf(at: string): Record<string, string> | undefined;
}

interface Applied {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; namespace?: string; labels?: Record<string, string> };
  type?: string;
  data?: Record<string, string>;
}

const namespaces = ['default', 'web'];
const tlsKeys = ['tls.crt', 'tls.key'];

/** What a path of no API is answered with. */
const notServed: Reply = {
  status: 404,
  body: {
    kind: 'Status',
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  },
};

function failure(code: number, reason: string, message: string, details?: object): Reply {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code },
  };
}

/** `namespace` is undefined for all of them, `name` for a list. */
function forbidden(verb: string, kind: string, { namespace, name }: { namespace?: string; name?: string }): Reply {
  const what = name === undefined ? kind : `${kind} "${name}"`;
  const group = kind === 'secrets' ? '' : 'networking.k8s.io';
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return failure(
    403,
    'Forbidden',
    `${what} is forbidden: User "system:serviceaccount:web:perennial" cannot ${verb} resource "${kind}" in API group ` +
      `"${group}" ${scope}`,
    { name, kind },
  );
}

/**
 * The secrets of an API server of Kubernetes: server-side apply with field managers, validation of TLS secrets,
 * preconditions, dry run and access reviews. Texts and details of errors are those of an API server of version 1.34.
 */
export async function startKubernetes(): Promise<FakeKubernetes> {
  const state = {
    secrets: new Map<string, Stored>(),
    ingresses: new Map<string, object[]>(),
    denied: new Set<string>(),
    mutate: undefined as FakeKubernetes['mutate'],
    edit: (at: string, fields: Readonly<Record<string, string>>): void => {
      const stored = state.secrets.get(at) ?? { uid: randomUUID(), version: 1, fields: new Map<string, Field>() };
      for (const [name, value] of Object.entries(fields))
        stored.fields.set(name, { value, managers: new Set(['kubectl']) });
      stored.version += 1;
      state.secrets.set(at, stored);
    },
    valuesOf: (at: string) => {
      const stored = state.secrets.get(at);
      return stored && Object.fromEntries([...stored.fields].map(([name, { value }]) => [name, value]));
    },
  };
  const standIn = await startStandIn((exchange) => {
    const { method, path, headers, json } = exchange;
    if (headers.authorization !== `Bearer ${kubernetesToken}`) return failure(401, 'Unauthorized', 'Unauthorized');
    if (`${method} ${path}` === 'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews') {
      const { verb } = (json as { spec: { resourceAttributes: { verb: string } } }).spec.resourceAttributes;
      return { status: 201, body: { kind: 'SelfSubjectAccessReview', status: { allowed: !state.denied.has(verb) } } };
    }
    const listed = method === 'GET' ? list(state, exchange) : undefined;
    if (listed) return listed;
    const [, namespace = '', name = ''] = /^\/api\/v1\/namespaces\/([^/]+)\/secrets\/([^/]+)$/.exec(path) ?? [];
    if (name === '') return notServed;
    const verb = { GET: 'get', PATCH: 'patch', DELETE: 'delete' }[method] ?? '';
    if (verb === '' || state.denied.has(verb)) return forbidden(verb, 'secrets', { namespace, name });
    return answer(state, { namespace, name, exchange });
  });
  return Object.assign(state, standIn);
}

type Lists = Pick<FakeKubernetes, 'secrets' | 'ingresses' | 'denied'>;
type State = Pick<FakeKubernetes, 'secrets' | 'denied' | 'mutate'>;
interface Asked {
  namespace: string;
  name: string;
  exchange: Exchange;
}

/**
 * A page of secrets or ingresses; undefined for the path of something else. The token of a page is its start, and one
 * of the server's past is `expired`.
 */
function list({ secrets, ingresses, denied }: Lists, { path, query }: Exchange): Reply | undefined {
  const [, group = '', namespace, kind] =
    /^\/(api|apis\/networking\.k8s\.io)\/v1(?:\/namespaces\/([^/]+))?\/(secrets|ingresses)$/.exec(path) ?? [];
  if (kind === undefined || (group === 'api') !== (kind === 'secrets')) return undefined;
  if (denied.has(`list ${kind}`)) return forbidden('list', kind, namespace === undefined ? {} : { namespace });
  const start = query.get('continue') ?? '0';
  if (start === 'expired') return failure(410, 'Expired', 'The provided continue parameter is too old');
  const isIn = ([at]: [string, unknown]): boolean => namespace === undefined || at.startsWith(`${namespace}/`);
  const at = (place: string): Asked => ({
    namespace: place.split('/')[0] ?? '',
    name: place.split('/')[1] ?? '',
    exchange: {} as Exchange,
  });
  const all =
    kind === 'secrets'
      ? [...secrets]
          .filter(isIn)
          .filter(([, one]) => isSelected(one, query))
          .map(([place, one]) => shown(at(place), one))
      : [...ingresses].filter(isIn).map(([place, tls]) => ({ metadata: at(place), spec: { tls } }));
  const end = Number(start) + Number(query.get('limit') ?? all.length);
  const metadata = end < all.length ? { continue: String(end), remainingItemCount: all.length - end } : {};
  return { status: 200, body: { kind: 'List', apiVersion: 'v1', metadata, items: all.slice(Number(start), end) } };
}

function isSelected({ fields }: Stored, query: URLSearchParams): boolean {
  const [, type] = /^type=(.+)$/.exec(query.get('fieldSelector') ?? '') ?? [];
  const [label = '', value] = query.get('labelSelector')?.split('=') ?? [];
  return (
    (type === undefined || fields.get('type')?.value === type) &&
    (value === undefined || fields.get(`label.${label}`)?.value === value)
  );
}

function answer(state: State, asked: Asked): Reply {
  const { namespace, name, exchange } = asked;
  const stored = state.secrets.get(`${namespace}/${name}`);
  if (exchange.method === 'PATCH') return apply(state, asked, stored);
  if (!stored) return failure(404, 'NotFound', `secrets "${name}" not found`, { name, kind: 'secrets' });
  if (exchange.method === 'GET') return { status: 200, body: shown(asked, stored) };
  const { uid, resourceVersion } =
    (exchange.json as { preconditions?: { uid?: string; resourceVersion?: string } }).preconditions ?? {};
  const record = { UID: stored.uid, ResourceVersion: String(stored.version) };
  const changed = Object.entries({ UID: uid, ResourceVersion: resourceVersion }).find(
    ([what, wanted]) => wanted !== undefined && wanted !== record[what as keyof typeof record],
  );
  if (changed)
    return failure(
      409,
      'Conflict',
      `Operation cannot be fulfilled on Secret "${name}": the ${changed[0]} in the precondition (${changed[1]}) does ` +
        `not match the ${changed[0]} in record. The object might have been modified`,
      { name, kind: 'Secret' },
    );
  state.secrets.delete(`${namespace}/${name}`);
  return { status: 200, body: { kind: 'Status', status: 'Success' } };
}

function apply(state: State, asked: Asked, before: Stored | undefined): Reply {
  const { namespace, name, exchange } = asked;
  const manager = exchange.query.get('fieldManager') ?? '';
  const force = exchange.query.get('force') === 'true';
  const wrong = wrongRequest(asked, manager);
  if (wrong) return wrong;
  if (!namespaces.includes(namespace)) return namespaceMissing(namespace);
  if (!before && state.denied.has('create')) return forbidden('create', 'secrets', { namespace, name });
  const wanted = fieldsOf(exchange.json as Applied);
  const conflicts = [...wanted].filter(([field, value]) => isForeign(before?.fields.get(field), value, manager));
  if (conflicts.length > 0 && !force) return conflicting(conflicts.map(([field]) => field));
  state.mutate?.(wanted);
  const after = merged(before, wanted, manager);
  const invalid = invalidity(name, before, after);
  if (invalid) return failure(422, 'Invalid', `Secret "${name}" is invalid: ${invalid}`, { name, kind: 'Secret' });
  if (valuesIn(after) !== valuesIn(before)) after.version += 1;
  const isDry = exchange.query.get('dryRun') === 'All';
  if (!isDry) state.secrets.set(`${namespace}/${name}`, after);
  return { status: before ? 200 : 201, body: shown(asked, after, !isDry || before !== undefined) };
}

function namespaceMissing(name: string): Reply {
  return failure(404, 'NotFound', `namespaces "${name}" not found`, { name, kind: 'namespaces' });
}

function wrongRequest({ namespace, name, exchange }: Asked, manager: string): Reply | undefined {
  const type = exchange.headers['content-type'];
  if (type !== 'application/apply-patch+yaml')
    return failure(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  if (manager === '')
    return failure(422, 'Invalid', 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value', {
      group: 'meta.k8s.io',
      kind: 'PatchOptions',
    });
  const { apiVersion, kind, metadata } = (exchange.json ?? {}) as Applied;
  if (apiVersion !== 'v1' || kind !== 'Secret') return failure(400, 'BadRequest', 'invalid object type');
  if (metadata?.name !== name || (metadata.namespace ?? namespace) !== namespace)
    return failure(
      400,
      'BadRequest',
      `the name of the object (${metadata?.name}) does not match the name on the URL (${name})`,
    );
  return undefined;
}

function fieldsOf({ type, data = {}, metadata }: Applied): Map<string, string> {
  const named = (start: string, values: Record<string, string>): [string, string][] =>
    Object.entries(values).map(([name, value]) => [`${start}.${name}`, value]);
  return new Map([
    ...(type === undefined ? [] : ([['type', type]] as [string, string][])),
    ...named('data', data),
    ...named('label', metadata?.labels ?? {}),
  ]);
}

function isForeign(field: Field | undefined, value: string, manager: string): boolean {
  return field !== undefined && field.value !== value && [...field.managers].some((one) => one !== manager);
}

function conflicting(fields: readonly string[]): Reply {
  const paths = fields.map((field) => `.${field.replace(/^label/, 'metadata.labels')}`);
  const many = `conflicts: conflicts with "kubectl" using v1:${paths.map((path) => `\n- ${path}`).join('')}`;
  const found = paths.length === 1 ? `conflict: conflict with "kubectl" using v1: ${paths[0]}` : many;
  const message = 'conflict with "kubectl" using v1';
  const causes = paths.map((field) => ({ reason: 'FieldManagerConflict', message, field }));
  return failure(409, 'Conflict', `Apply failed with ${paths.length} ${found}`, { causes });
}

/** Fields that only this manager had applied, and applies no more, are gone; a forced field has no other manager. */
function merged(before: Stored | undefined, wanted: ReadonlyMap<string, string>, manager: string): Stored {
  const fields = new Map<string, Field>();
  for (const [name, { value, managers }] of before?.fields ?? []) {
    const rest = new Set([...managers].filter((one) => one !== manager));
    if (rest.size > 0) fields.set(name, { value, managers: rest });
  }
  for (const [name, value] of wanted) {
    const present = fields.get(name);
    fields.set(name, { value, managers: new Set([...(present?.value === value ? present.managers : []), manager]) });
  }
  return { uid: before?.uid ?? randomUUID(), version: before?.version ?? 0, fields };
}

function invalidity(name: string, before: Stored | undefined, { fields }: Stored): string | undefined {
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return 'metadata.name: Invalid value: a DNS-1123 subdomain';
  const type = before?.fields.get('type')?.value ?? (before ? 'Opaque' : fields.get('type')?.value);
  if (type !== fields.get('type')?.value) return `type: Invalid value: "${type ?? ''}": field is immutable`;
  if (type === 'kubernetes.io/tls')
    for (const key of tlsKeys) if (!fields.has(`data.${key}`)) return `data[${key}]: Required value`;
  const bad = [...fields].find(
    ([field, { value }]) => field.startsWith('data.') && Buffer.from(value, 'base64').toString('base64') !== value,
  );
  return bad && `${bad[0]}: illegal base64 data`;
}

function valuesIn(stored: Stored | undefined): string {
  return JSON.stringify([...(stored?.fields ?? [])].map(([name, { value }]) => [name, value]).sort());
}

/** What is not stored has no version. */
function shown({ namespace, name }: Asked, { uid, version, fields }: Stored, isStored = true): object {
  const named = (start: string): Record<string, string> =>
    Object.fromEntries(
      [...fields]
        .filter(([field]) => field.startsWith(start))
        .map(([field, { value }]) => [field.slice(start.length), value]),
    );
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      uid,
      ...(isStored && { resourceVersion: String(version) }),
      labels: named('label.'),
    },
    type: fields.get('type')?.value,
    data: named('data.'),
  };
}
