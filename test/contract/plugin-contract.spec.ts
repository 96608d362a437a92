import { generateKeyPairSync } from 'node:crypto';
import { Agent } from 'node:http';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../../plugins/index.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { AnyPlugin, PluginOf } from '../../src/plugin-api/any-plugin.js';
import type { TxtRecord } from '../../src/plugin-api/dns.js';
import type { PlacedRequest } from '../../src/plugin-api/destination.js';
import type { Bundle, ExportedFile } from '../../src/plugin-api/export.js';
import type { AuthorityMaterial, OrderRequest } from '../../src/plugin-api/issuer.js';
import type { NotificationMessage } from '../../src/plugin-api/notification.js';
import { formOf, type OptionSchema, secretKeys } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Site } from '../../src/plugin-api/site.js';
import { PluginDescription } from '../../src/platform/plugins/plugin.schema.js';
import { authoritySource } from '../../src/certificates/discover/authority.source.js';
import { pluginsMarkdown } from '../../src/platform/plugins/plugin-docs.js';
import { PluginRegistry } from '../../src/platform/plugins/registry.js';
import { pluginContext, startTestAuthority } from '../support/bundles.js';
import { noKeeping, noMemory } from '../support/issuer-requests.js';

interface Property {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  secret?: boolean;
}
interface Form {
  properties: Record<string, Property>;
  required?: string[];
  additionalProperties: boolean;
}
/** `sound`: whether the input is such as the core hands over; anything else it may call a bug. */
interface Attempt {
  words: string;
  sound: boolean;
  run: (ctx: PluginContext) => Promise<unknown>;
}

const folder = mkdtempSync(join(tmpdir(), 'contract-'));
const authority = startTestAuthority();
afterAll(() => {
  authority.close();
  rmSync(folder, { recursive: true });
});

/** In every secret and key that a plugin gets here; it may turn up in no error. */
const marker = 'Marker-4f6e';
/** A service account of Google. */
const serviceAccountKey = JSON.stringify({
  type: 'service_account',
  project_id: 'p',
  private_key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }),
  client_email: marker,
});
/**
 * Options with which a plugin starts its work and cannot end it: nothing listens at these places. A secret is here only
 * where it has a form of its own.
 */
const dead: Readonly<Record<string, Record<string, unknown>>> = {
  authority: { authority: 'somewhere' },
  'acme-dns': {
    url: 'https://127.0.0.1:1',
    subdomain: 'a',
    fullDomain: '_acme-challenge.www.example.org',
    username: 'u',
  },
  acme: {
    directoryUrl: 'https://127.0.0.1:1/directory',
    eabKeyId: 'k',
    eabHmacKey: Buffer.from(marker.repeat(3)).toString('base64url'),
  },
  'aws-acm': { region: 'eu-central-1', accessKeyId: 'AKIAMARKERMARKER', endpoint: 'http://127.0.0.1:1' },
  'aws-endpoints': { regions: ['eu-central-1'], accessKeyId: 'AKIAMARKERMARKER', endpoint: 'http://127.0.0.1:1' },
  'aws-s3': {
    region: 'eu-central-1',
    bucket: 'certificates',
    accessKeyId: 'AKIAMARKERMARKER',
    endpoint: 'http://127.0.0.1:1',
  },
  'aws-secrets-manager': {
    region: 'eu-central-1',
    accessKeyId: 'AKIAMARKERMARKER',
    endpoint: 'http://127.0.0.1:1',
  },
  'aws-iam': { accessKeyId: 'AKIAMARKERMARKER', endpoint: 'http://127.0.0.1:1' },
  'aws-sns': {
    topicArn: 'arn:aws:sns:eu-central-1:123456789012:certificates',
    accessKeyId: 'AKIAMARKERMARKER',
  },
  'azure-dns': { tenantId: 't', clientId: 'c', subscriptionId: 's', resourceGroup: 'r' },
  'azure-key-vault': { vaultUrl: 'https://web.vault.azure.net', tenantId: 't', clientId: 'c' },
  'ct-search': { domains: ['example.org'] },
  'dns-webhook': { url: 'https://127.0.0.1:1/hook' },
  'google-certificate-manager': { serviceAccountKey },
  'google-cloud-dns': { serviceAccountKey },
  'google-cloud-storage': { serviceAccountKey, bucket: 'certificates' },
  route53: { accessKeyId: 'AKIAMARKERMARKER' },
  'aws-iam-source': { accessKeyId: 'AKIAMARKERMARKER', endpoint: 'http://127.0.0.1:1' },
  discord: { webhookUrl: `https://127.0.0.1:1/api/webhooks/1/${marker}-discord` },
  'django-ca': { url: 'http://127.0.0.1:1/django_ca', username: 'u', caSerial: 'AB' },
  dogtag: {
    url: 'https://127.0.0.1:1',
    clientKey: undefined,
    clientPkcs12: undefined,
    clientPkcs12Password: undefined,
    username: 'agent',
  },
  'cfssl-issuer': { url: 'http://127.0.0.1:1', hmacKey: Buffer.from(marker).toString('hex') },
  email: { recipients: 'someone@example.org' },
  'f5-big-ip': { url: 'http://127.0.0.1:1', username: 'u' },
  fastpki: { url: 'http://127.0.0.1:1', username: 'u', caName: 'c' },
  ntfy: { url: 'https://127.0.0.1:1', topic: marker },
  pagerduty: { routingKey: Buffer.from(marker.repeat(3)).toString('base64').slice(0, 32) },
  slack: { webhookUrl: undefined, channel: 'C1' },
  teams: { webhookUrl: `https://127.0.0.1:1/workflows/${marker}?sig=${marker}` },
  telegram: { apiUrl: 'https://127.0.0.1:1', botToken: `1:${marker.repeat(4)}`, chatId: '1' },
  filesystem: { path: join(folder, 'protected', 'here') },
  'filesystem-source': { path: join(folder, 'protected', 'here') },
  haproxy: { host: '127.0.0.1', port: 1, file: 'x.pem', tls: false, clientKey: undefined },
  kubernetes: { url: 'http://127.0.0.1:1' },
  'kubernetes-source': { url: 'http://127.0.0.1:1' },
  rfc2136: {
    server: '127.0.0.1',
    zones: ['example.org'],
    keyName: 'k',
    keySecret: Buffer.from(marker.repeat(3)).toString('base64'),
  },
  sectigo: { login: 'l', customerUri: 'c', clientSecret: undefined, organizationId: 1, profileId: 1 },
  sftp: {
    host: '127.0.0.1',
    hostKeys: `SHA256:${'a'.repeat(43)}`,
    user: 'u',
    privateKey: undefined,
    passphrase: undefined,
    folder: '/srv',
  },
  'tls-endpoints': { hosts: ['127.0.0.1:1'] },
  'vault-kv-source': { url: 'http://127.0.0.1:1', secretId: undefined },
  'vault-kv': { url: 'http://127.0.0.1:1', secretId: undefined },
  'vault-pki': { url: 'http://127.0.0.1:1', secretId: undefined, role: 'web' },
  webhook: { url: 'http://127.0.0.1:1/hook' },
  'webhook-destination': { url: 'https://127.0.0.1:1/hook' },
  'webhook-template': { url: `http://127.0.0.1:1/${marker}`, headers: `Authorization: Bearer ${marker}` },
};

/** A key, or the marker as it is or within armour. */
const shown = new RegExp(`-----BEGIN|${marker}|${Buffer.from(marker.repeat(3)).toString('base64').slice(0, 20)}`);
const credential = /pass(word|phrase|wd)?$|secret|token|credential|private.?key|api.?key|hmac/i;
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*$/;

const site: Site = {
  sendMail: () => Promise.reject(new PluginError('unavailable', 'The mail server is down.')),
  runCommand: () => Promise.reject(new PluginError('unavailable', 'The command failed.')),
  fetch: () => Promise.reject(new PluginError('unavailable', 'Nobody answers.')),
  tokenFor: () => Promise.resolve(null),
  agentFor: () => new Agent(),
  connect: () => Promise.reject(new PluginError('unavailable', 'Nobody answers.')),
  protectedPaths: [join(folder, 'protected')],
};

const good = authority.issue('www.example.org');
const armoured = (label: string): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(marker.repeat(9)).toString('base64')}\n-----END ${label}-----\n`;
const sound: Readonly<Record<string, Bundle>> = {
  'a good bundle': good,
  'the key of another': { ...good, privateKeyPem: authority.issue('other.example.org').privateKeyPem },
  'no key': { ...good, privateKeyPem: undefined },
};
const unsound: Readonly<Record<string, Bundle>> = {
  'a certificate that is none': { ...good, chainPem: [armoured('CERTIFICATE')] },
  'no certificate': { ...good, chainPem: [] },
  'a key that is none': { ...good, privateKeyPem: armoured('PRIVATE KEY') },
};
const message: NotificationMessage = {
  event: 'certificate.expiring',
  subject: 's',
  text: 't',
  content: { heading: 's', paragraphs: ['t'], cards: [] },
  severity: 'warning',
  incidents: [{ action: 'open', key: 'k', summary: 's', severity: 'warning', url: 'https://pki.example.org/1' }],
  data: {},
  recipients: ['owner@example.org'],
  dedupeKey: 'd',
};

const record: TxtRecord = { name: '_acme-challenge.www.example.org', value: 'v', ttlS: 60 };

/** What an export step made, for destinations that take files. */
const exportedFile: ExportedFile = { name: 'www.example.org.pem', bytes: Buffer.from(marker), mode: 0o600 };

/** A request may gain members: a plugin that was written before them works as before. */
const fromLater = { fromLater: true };

function formFor({ options }: AnyPlugin): Form {
  return formOf(options) as unknown as Form;
}

/** Valid options with the marker in every secret. */
function optionsOf(plugin: AnyPlugin): z.output<OptionSchema> {
  const secrets = Object.fromEntries(secretKeys(plugin.options).map((name) => [name, `${marker}-${name}`]));
  return plugin.options.parse({ ...secrets, ...dead[plugin.id] });
}

/** Every call of a plugin that works with a context, with good and bad input. */
function attempts(plugin: AnyPlugin): Attempt[] {
  const options = optionsOf(plugin);
  const over = (verb: string, run: (bundle: Bundle, ctx: PluginContext) => Promise<unknown>): Attempt[] =>
    Object.entries({ ...sound, ...unsound }).map(([name, bundle]) => ({
      words: `${verb} with ${name}`,
      sound: name in sound,
      run: (ctx) => run(bundle, ctx),
    }));
  const one = (words: string, run: (ctx: PluginContext) => Promise<unknown>): Attempt => ({ words, sound: true, run });
  const probe = plugin.check ? [one('check', async (ctx) => plugin.check?.(options, ctx))] : [];
  const files = plugin.kind === 'destination' && plugin.files ? [exportedFile] : [];
  const placed = (bundle: Bundle): PlacedRequest => {
    const fileNames = files.map(({ name }) => name);
    const location = plugin.kind === 'destination' ? plugin.locate({ bundle, fileNames }, options) : '';
    return {
      location,
      bundle,
      files: files.map(({ name }) => ({ name, sha256Hex: '00' })),
      round: '1.1',
      ...fromLater,
    };
  };
  switch (plugin.kind) {
    case 'issuer':
      return [
        ...probe,
        ...issuerAttempts(plugin, options, one),
        ...over('order', async (bundle, ctx) => plugin.order(orderRequest(bundle), options, ctx)),
      ];
    case 'export':
      return over('export', async (bundle, ctx) =>
        plugin.export({ bundle, stem: 'www.example.org', ...fromLater }, options, ctx),
      );
    case 'destination':
      return [
        ...probe,
        ...over('deliver', async (bundle, ctx) =>
          plugin.deliver({ bundle, files, round: '1.1', ...fromLater }, options, ctx),
        ),
        ...(plugin.verify ? over('verify', async (bundle, ctx) => plugin.verify?.(placed(bundle), options, ctx)) : []),
        ...(plugin.remove ? over('remove', async (bundle, ctx) => plugin.remove?.(placed(bundle), options, ctx)) : []),
      ];
    case 'source':
      return [...probe, one('scan', async (ctx) => plugin.scan(options, ctx, null)[Symbol.asyncIterator]().next())];
    case 'notification':
      return [...probe, one('send', async (ctx) => plugin.send({ ...message, ...fromLater }, options, ctx))];
    case 'dns':
      return [
        ...probe,
        one('present', async (ctx) => plugin.present({ ...record, ...fromLater }, options, ctx)),
        one('present elsewhere', async (ctx) => plugin.present({ ...record, name: 'www.invalid' }, options, ctx)),
      ];
  }
}

/** The verbs that an issuer need not have. */
function issuerAttempts(
  plugin: PluginOf<'issuer'>,
  options: z.output<OptionSchema>,
  one: (words: string, run: (ctx: PluginContext) => Promise<unknown>) => Attempt,
): Attempt[] {
  const asked = orderRequest(good);
  const certificate = { chainPem: good.chainPem, externalId: 'x', ...noMemory, ...fromLater };
  const verbs: Record<string, ((ctx: PluginContext) => Promise<unknown> | undefined) | undefined> = {
    poll: plugin.poll && ((ctx) => plugin.poll?.({ ...asked, orderRef: 'x' }, options, ctx)),
    find: plugin.find && ((ctx) => plugin.find?.(asked, options, ctx)),
    cancel: plugin.cancel && ((ctx) => plugin.cancel?.({ orderRef: 'x', ...noMemory, ...fromLater }, options, ctx)),
    revoke: plugin.revoke && ((ctx) => plugin.revoke?.({ ...certificate, reason: 1 }, options, ctx)),
    hold: plugin.hold && ((ctx) => plugin.hold?.(certificate, options, ctx)),
    release: plugin.release && ((ctx) => plugin.release?.(certificate, options, ctx)),
    deactivate: plugin.deactivate && ((ctx) => plugin.deactivate?.(certificate, options, ctx)),
    renewalInfo: plugin.renewalInfo && ((ctx) => plugin.renewalInfo?.(certificate, options, ctx)),
    list: plugin.list && ((ctx) => plugin.list?.({ skip: 1 }, options, ctx)[Symbol.asyncIterator]().next()),
    describe: plugin.describe && ((ctx) => plugin.describe?.(options, ctx)),
    changeAccountKey: plugin.changeAccountKey && ((ctx) => plugin.changeAccountKey?.(noMemory, options, ctx)),
    ...administration(plugin, options),
  };
  return Object.entries(verbs).flatMap(([words, run]) => (run ? [one(words, async (ctx) => run(ctx))] : []));
}

const person = { email: 'a@example.com', firstName: 'A', lastName: 'B', organizationId: '7' };

/** What an issuer lets people administer at its CA. */
function administration(
  { profiles, requests, settings, organizations, persons }: PluginOf<'issuer'>,
  options: z.output<OptionSchema>,
): Record<string, ((ctx: PluginContext) => Promise<unknown>) | undefined> {
  const [one, part] = [
    { id: '7', ...fromLater },
    { count: 5, ...fromLater },
  ];
  return {
    ...(profiles && {
      'profiles.list': (ctx) => profiles.list(part, options, ctx),
    }),
    ...(profiles?.get && { 'profiles.get': async (ctx) => profiles.get?.(one, options, ctx) }),
    ...(profiles?.enable && { 'profiles.enable': async (ctx) => profiles.enable?.(one, options, ctx) }),
    ...(profiles?.disable && { 'profiles.disable': async (ctx) => profiles.disable?.(one, options, ctx) }),
    ...(requests && {
      'requests.list': (ctx) => requests.list(part, options, ctx),
      'requests.get': (ctx) => requests.get(one, options, ctx),
      'requests.decide': (ctx) => requests.decide({ ...one, action: 'approve' }, options, ctx),
    }),
    ...(settings && {
      'settings.get': (ctx) => settings.get(options, ctx),
      'settings.update': (ctx) => settings.update({ changes: {}, ...fromLater }, options, ctx),
    }),
    ...(organizations && { 'organizations.list': (ctx) => organizations.list(options, ctx) }),
    ...(persons && {
      'persons.list': (ctx) => persons.list(part, options, ctx),
      'persons.create': (ctx) => persons.create({ ...person, ...fromLater }, options, ctx),
    }),
  };
}

/** The bundle's certificate as the CA, without a key to sign with. */
function orderRequest({ chainPem }: Bundle): OrderRequest {
  const material: AuthorityMaterial = {
    cacheKey: chainPem.join(),
    certificatePem: chainPem[0] ?? '',
    chainPem: chainPem.slice(1),
  };
  const terms = {
    subject: {},
    subjectAltNames: [],
    keyUsage: [],
    extendedKeyUsage: [],
    extensions: [],
    notBefore: new Date(0),
    notAfter: new Date(1e12),
  };
  const request = {
    csrPem: armoured('CERTIFICATE REQUEST'),
    spkiDer: Buffer.from(marker),
    terms,
    idempotencyKey: 'k',
  };
  return { request, authority: material, ...noKeeping, ...fromLater };
}

/** The rest of a site on which everything that goes out hangs until `signal` ends it; `begun` resolves when it does. */
function hangingSite(signal: AbortSignal): { site: Site; begun: Promise<void> } {
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const hang = (stop: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      begin();
      stop.addEventListener('abort', () => reject(stop.reason as Error));
    });
  class HangingAgent extends Agent {
    override createConnection(): Duplex {
      begin();
      return new Socket();
    }
  }
  return {
    begun,
    site: {
      ...site,
      sendMail: () => hang(signal),
      fetch: () => hang(signal),
      connect: (_, __, stop) => hang(stop),
      agentFor: () => new HangingAgent(),
    },
  };
}

/** The source that the core offers, of an authority that cannot be found. */
const ofCore = authoritySource(
  () => Promise.reject(new PluginError('misconfigured', 'There is no such authority.')),
  () => {
    throw new Error('It is not found.');
  },
) as unknown as AnyPlugin;

describe('the list of plugins', () => {
  it('has one of each kind', () => {
    const kinds = PluginDescription.shape.kind.options;
    expect(kinds.filter((kind) => !plugins.some((plugin) => plugin.kind === kind))).toEqual([]);
  });

  it('is in order and has no name twice', () => {
    expect(plugins.map(({ id }) => id)).toEqual(plugins.map(({ id }) => id).sort());
    expect(new PluginRegistry(plugins).list()).toHaveLength(plugins.length);
  });

  it('has every folder of plugins', () => {
    const listed = readFileSync('plugins/index.ts', 'utf8');
    const folders = readdirSync('plugins', { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(folders.filter((name) => !listed.includes(`'./${name}/`))).toEqual([]);
  });

  it('is what plugins/README.md says (npm run build && npm run docs)', () => {
    expect(readFileSync('plugins/README.md', 'utf8')).toBe(pluginsMarkdown([ofCore, ...plugins]));
  });
});

describe.each([ofCore, ...plugins].map((plugin) => [plugin.id, plugin] as const))('%s', (_, plugin) => {
  it.runIf('targets' in plugin)('has a list for the targets of a table, and describes its columns', () => {
    const { targets } = plugin as PluginOf<'source'>;
    const { properties } = formOf(plugin.options) as unknown as Form;
    expect(properties[targets?.option ?? '']).toMatchObject({ type: 'array', items: { type: 'string' } });
    const columns = Object.values((formOf(targets?.row as OptionSchema) as unknown as Form).properties);
    for (const column of columns)
      expect(column).toMatchObject({ type: 'string', title: expect.any(String), description: expect.any(String) });
  });

  it('has names in kebab-case and says what it is', () => {
    for (const name of [plugin.id, ...(plugin.aliases ?? [])]) expect(name).toMatch(kebab);
    expect(plugin.title).toMatch(/\S/);
    expect(plugin.description).toMatch(/\.$/);
  });

  it('has flat options, each with a title and a description, and refuses others', () => {
    const { properties, additionalProperties } = formFor(plugin);
    expect(additionalProperties).toBe(false);
    for (const [name, { type, title, description }] of Object.entries(properties)) {
      expect([name, type]).toEqual([name, expect.stringMatching(/^(string|integer|boolean|array)$/)]);
      expect([name, title]).toEqual([name, expect.stringMatching(/\S/)]);
      expect([name, description]).toEqual([name, expect.stringMatching(/\.$/)]);
    }
  });

  it('marks credentials as secret and gives them no default', () => {
    for (const [name, property] of Object.entries(formFor(plugin).properties)) {
      // A number or a switch is no credential, whatever it is called.
      const isText = !['integer', 'boolean'].includes(property.type ?? '');
      if (isText && credential.test(name)) expect([name, property.secret]).toEqual([name, true]);
      if (property.secret) expect([name, property.default, property.type]).toEqual([name, undefined, 'string']);
    }
  });

  it('accepts its own defaults', () => {
    for (const [name, { default: value }] of Object.entries(formFor(plugin).properties)) {
      if (value !== undefined)
        expect([name, z.safeParse(plugin.options.shape[name] ?? z.never(), value).success]).toEqual([name, true]);
    }
  });

  it('stops when it is aborted', async () => {
    const networked = attempts(plugin).filter(({ words }) => !words.startsWith('export'));
    for (const { words, run } of networked) {
      const outcome = await run(pluginContext({ ...site, protectedPaths: [] }, AbortSignal.abort())).then(
        () => 'it went on',
        () => 'it stopped',
      );
      expect([words, outcome]).toEqual([words, 'it stopped']);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('stops in the middle of what it asked outside', async () => {
    for (const { words, run } of attempts(plugin).filter(({ sound: strict }) => strict)) {
      const stop = new AbortController();
      const { site: hanging, begun } = hangingSite(stop.signal);
      const outcome = run(pluginContext(hanging, stop.signal)).then(
        () => 'it went on',
        () => 'it stopped',
      );
      const first = await Promise.race([begun.then(() => 'it hangs'), outcome]);
      stop.abort();
      if (first === 'it hangs') expect([words, await outcome]).toEqual([words, 'it stopped']);
    }
  });

  it('has verbs that take a request, options and a context', () => {
    const verbs = Object.entries(plugin).filter(([, value]) => typeof value === 'function');
    expect(
      verbs.filter(([, verb]) => (verb as (...args: unknown[]) => unknown).length > 3).map(([name]) => name),
    ).toEqual([]);
  });

  it('fails in words for people, without keys and secrets', async () => {
    let failures = 0;
    for (const { words, sound: strict, run } of attempts(plugin)) {
      const error: unknown = await run(pluginContext(site)).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      if (error === null) continue;
      failures += 1;
      if (strict) expect([words, error]).toEqual([words, expect.any(PluginError)]);
      if (!(error instanceof PluginError)) continue;
      expect([words, error.detail]).toEqual([words, expect.stringMatching(/\S/)]);
      expect([words, error.detail]).toEqual([words, expect.not.stringMatching(shown)]);
    }
    expect(failures).toBeGreaterThan(0);
  });
});

describe.each(plugins.filter((plugin) => plugin.kind === 'export').map((plugin) => [plugin.id, plugin] as const))(
  'the export %s',
  (_, plugin) => {
    const given = plugin.options.parse(
      Object.fromEntries(secretKeys(plugin.options).map((name) => [name, 'correct horse battery'])),
    );
    const made = () => plugin.export({ bundle: good, stem: 'www.example.org' }, given, pluginContext(site));

    it('names its files as it said, each after the stem and at most one folder deep', async () => {
      const names = plugin.fileNames('www.example.org', given);
      expect((await made()).files.map(({ name }) => name)).toEqual(names);
      for (const name of names) expect(name).toMatch(/^www\.example\.org(\/[\w.-]+|[\w.-]+)$/);
      expect(new Set(names.map((name) => name.split('/').length)).size).toBe(1);
    });

    it('gives files with a key to their owner alone', async () => {
      for (const { mode } of (await made()).files) expect([0o600, 0o644]).toContain(mode);
      const isSecret = (await made()).files.some(({ mode }) => mode === 0o600);
      expect(isSecret).toBe(plugin.needsPrivateKey);
    });

    it('makes up a passphrase exactly when it says so', async () => {
      for (const options of [given, plugin.options.parse({})]) {
        const { passphrase } = await plugin.export({ bundle: good, stem: 'x' }, options, pluginContext(site));
        const known = Object.values(options).includes(passphrase);
        expect(passphrase !== undefined && !known).toBe(plugin.generatesPassphrase?.(options) ?? false);
      }
    });
  },
);

describe.each(plugins.flatMap((plugin) => (plugin.kind === 'destination' && plugin.files ? [plugin] : [])))(
  'the destination $id',
  ({ files, needsPrivateKey }) => {
    it('names an export step that is there, with options that fit it', () => {
      const step = plugins.find(({ kind, id }) => kind === 'export' && id === files?.pluginId) as PluginOf<'export'>;
      const options = step.options.parse(files?.options);
      expect(step.needsPrivateKey && !needsPrivateKey).toBe(false);
      expect(step.generatesPassphrase?.(options) ?? false).toBe(false);
    });
  },
);
