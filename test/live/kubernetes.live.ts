import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { describeKubernetes } from '../support/kubernetes-suite.js';
import { describeLive } from '../support/live.js';
import { canRun, type LiveProgram, startLiveProgram } from '../support/live-program.js';

const apiServer = process.env['KUBE_APISERVER'] ?? 'kube-apiserver';
const etcd = process.env['ETCD'] ?? 'etcd';
const adminToken = 'live-admin-token';
const namespaces = ['default', 'web'];
const rbac = 'rbac.authorization.k8s.io';

const missing = !canRun(apiServer, ['--version'])
  ? 'kube-apiserver is missing: build k8s.io/kubernetes/cmd/kube-apiserver, or name it in KUBE_APISERVER.'
  : canRun(etcd, ['--version'])
    ? undefined
    : 'etcd is missing: install Debian’s etcd-server, or name it in ETCD.';

interface Answer {
  status: number;
  json: Record<string, unknown> & { metadata?: { resourceVersion?: string; labels?: Record<string, string> } };
}
type SecretAnswer = Answer['json'] & { type?: string; data?: Record<string, string> };

/** The objects of the manual, which give the service account its rights in the namespace `web`. */
const section = /^## Kubernetes$[^]*?(?=^## )/m.exec(readFileSync('docs/destinations.md', 'utf8'))?.[0] ?? '';
const [, yaml = ''] = /```yaml\n([^`]+)```/.exec(section) ?? [];
const manual = yaml.split('---\n');

describeLive('kubernetes with a real API server and etcd', missing, () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  let store: LiveProgram;
  let server: LiveProgram;
  let token: string;
  const ca = (): string => readFileSync(at('apiserver.crt'), 'utf8');

  const ask = (port: number, method: string, path: string, body?: object | string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const json = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const type = typeof body === 'string' ? 'application/yaml' : json;
      const headers = { authorization: `Bearer ${adminToken}`, accept: 'application/json', 'content-type': type };
      const asked = request({ host: '127.0.0.1', port, path, method, headers, ca: ca() }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          const isJson = response.headers['content-type']?.includes('json') === true;
          resolve({ status: response.statusCode ?? 0, json: isJson ? (JSON.parse(text) as Answer['json']) : {} });
        });
      });
      asked.on('error', reject);
      asked.end(typeof body === 'object' ? JSON.stringify(body) : body);
    });
  const call = async (method: string, path: string, body?: object | string): Promise<Answer['json']> => {
    const { status, json } = await ask(server.port, method, path, body);
    if (status > 299) throw new Error(`${method} ${path} is answered with ${status}: ${JSON.stringify(json)}`);
    return json;
  };
  const pathOf = (place: string, kind = 'secrets', group = 'api/v1'): string => {
    const [namespace, ...names] = place.split('/');
    return ['', group, 'namespaces', namespace, kind, ...names].join('/');
  };
  const find = async (place: string): Promise<SecretAnswer | undefined> => {
    const { status, json } = await ask(server.port, 'GET', pathOf(place));
    return status === 404 ? undefined : json;
  };

  /** A service account with these rights in both namespaces, and its token once the server knows of them. */
  const account = async (name: string, secrets: string[], ingresses: string[]): Promise<string> => {
    await call('POST', pathOf('web', 'serviceaccounts'), { metadata: { name } });
    const rules = [
      { apiGroups: [''], resources: ['secrets'], verbs: secrets },
      { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ingresses },
    ];
    for (const namespace of namespaces) {
      const metadata = { name, namespace };
      await call('POST', pathOf(namespace, 'roles', `apis/${rbac}/v1`), { metadata, rules });
      const roleRef = { apiGroup: rbac, kind: 'Role', name };
      const subjects = [{ kind: 'ServiceAccount', name, namespace: 'web' }];
      await call('POST', pathOf(namespace, 'rolebindings', `apis/${rbac}/v1`), { metadata, roleRef, subjects });
    }
    return tokenOf(name);
  };
  const tokenOf = async (name: string): Promise<string> => {
    const spec = { user: `system:serviceaccount:web:${name}`, resourceAttributes: { resource: 'secrets' } };
    for (const namespace of namespaces)
      for (let isKnown = false; !isKnown;) {
        const resourceAttributes = { ...spec.resourceAttributes, namespace, verb: 'list' };
        const review = { spec: { ...spec, resourceAttributes } };
        const { status } = await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review);
        isKnown = (status as { allowed: boolean }).allowed;
      }
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const { status } = await call('POST', pathOf(`web/${name}/token`, 'serviceaccounts'), asked);
    return (status as { token: string }).token;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'live-kubernetes-'));
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(at('sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(at('sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(at('tokens.csv'), `${adminToken},admin,admin,"system:masters"\n`);
    store = await startLiveProgram(
      etcd,
      (port) => [
        `--data-dir=${at('etcd')}`,
        ...['listen', 'advertise'].map((what) => `--${what}-client-urls=http://127.0.0.1:${port}`),
        '--listen-peer-urls=http://127.0.0.1:0',
      ],
      async (port) => (await fetch(`http://127.0.0.1:${port}/health`)).ok,
    );
    server = await startLiveProgram(
      apiServer,
      (port) => [
        `--etcd-servers=http://127.0.0.1:${store.port}`,
        `--secure-port=${port}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${folder}`,
        `--token-auth-file=${at('tokens.csv')}`,
        '--authorization-mode=RBAC',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${at('sa.pub')}`,
        `--service-account-signing-key-file=${at('sa.key')}`,
        '--service-cluster-ip-range=10.0.0.0/24',
      ],
      async (port) => (await ask(port, 'GET', '/readyz')).status === 200,
    );
    await call('POST', '/api/v1/namespaces', { metadata: { name: 'web' } });
    const kinds: Record<string, [string, string?]> = {
      ServiceAccount: ['serviceaccounts'],
      Secret: ['secrets'],
      Role: ['roles', `apis/${rbac}/v1`],
      RoleBinding: ['rolebindings', `apis/${rbac}/v1`],
    };
    for (const text of manual) {
      const [, kind = ''] = /^kind: (\w+)$/m.exec(text) ?? [];
      const [path = '', group] = kinds[kind] ?? [];
      await call('POST', pathOf('web', path, group), text);
      const here = text.replace(/^metadata: (.*)namespace: web/m, 'metadata: $1namespace: default');
      if (kind.startsWith('Role')) await call('POST', pathOf('default', path, group), here);
    }
    await account('reader', ['list'], ['list']);
    // What the manual gives to the destination, and the rights of the source, which are in no manifest.
    for (const namespace of namespaces)
      await call('POST', pathOf(namespace, 'rolebindings', `apis/${rbac}/v1`), {
        metadata: { name: 'also-reads', namespace },
        roleRef: { apiGroup: rbac, kind: 'Role', name: 'reader' },
        subjects: [{ kind: 'ServiceAccount', name: 'perennial', namespace: 'web' }],
      });
    token = await tokenOf('perennial');
  }, 180_000);
  afterAll(async () => {
    await server?.stop();
    await store?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  describeKubernetes(() => ({
    options: { url: `https://127.0.0.1:${server.port}`, token, caCertificates: ca(), timeoutS: 30 },
    without: (right) => {
      const verbs = ['get', 'create', 'patch', 'delete', 'list'].filter((verb) => verb !== right);
      const ingresses = right === 'list ingresses' ? ['get'] : ['list'];
      return account(`no-${right.replace(' ', '-')}`, verbs, ingresses);
    },
    edit: async (place, fields) => {
      const of = (kind: string): Record<string, string> =>
        Object.fromEntries(
          Object.entries(fields).flatMap(([name, value]) =>
            name.startsWith(kind) ? [[name.slice(kind.length), value]] : [],
          ),
        );
      const [, name] = place.split('/');
      const secret = { metadata: { name, labels: of('label.') }, type: fields['type'], data: of('data.') };
      const isThere = (await find(place)) !== undefined;
      const path = isThere ? pathOf(place) : pathOf(place.split('/')[0] ?? '');
      await call(isThere ? 'PATCH' : 'POST', `${path}?fieldManager=kubectl`, secret);
    },
    addIngress: async (place, tls) => {
      const [namespace = '', name] = place.split('/');
      const defaultBackend = { service: { name: 'web', port: { number: 80 } } };
      const path = pathOf(namespace, 'ingresses', 'apis/networking.k8s.io/v1');
      await call('POST', path, { metadata: { name }, spec: { defaultBackend, tls } });
    },
    valuesOf: async (place) => {
      const found = await find(place);
      if (found === undefined) return undefined;
      const named = (kind: string, values: Record<string, string> = {}): [string, string][] =>
        Object.entries(values).map(([name, value]) => [`${kind}.${name}`, value]);
      const fields = [...named('data', found.data), ...named('label', found.metadata?.labels)];
      return Object.fromEntries([['type', found.type ?? ''], ...fields]);
    },
    versionOf: async (place) => (await find(place))?.metadata?.resourceVersion,
    clear: async () => {
      for (const namespace of namespaces) {
        await call('DELETE', pathOf(namespace));
        await call('DELETE', pathOf(namespace, 'ingresses', 'apis/networking.k8s.io/v1'));
      }
    },
  }));
});
