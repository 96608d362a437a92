import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineExport } from '../../plugin-api/export.js';
import { secretUrl } from '../../plugin-api/message-options.js';
import { secret } from '../../plugin-api/options.js';
import { Problem } from '../http/problem.js';
import { KeyRing } from '../secrets/key-ring.js';
import { ConfiguredPlugins, parseOptions, type StoredPlugin } from './configured-plugin.js';
import { PluginInput, PluginView } from './plugin.schema.js';
import { PluginRegistry } from './registry.js';
import { about, plain, upload } from '../../../test/support/sample-plugins.js';

const service = defineExport({
  id: 'service',
  title: 'Service',
  description: 'For tests.',
  needsPrivateKey: false,
  fileNames: (stem) => [stem],
  options: z.strictObject({
    url: z.url().meta(about('Address')),
    token: secret('Token', 'About it.').optional(),
  }),
  export: async () => ({ files: [], extension: 'txt' }),
});

const ring = new KeyRing([{ id: 'one', key: randomBytes(32) }]);
const registry = new PluginRegistry([upload, plain]);
const configured = new ConfiguredPlugins(registry, ring);

function input(value: unknown): PluginInput {
  return PluginInput.parse(value);
}

function reasons(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof Problem) return error.extra.reasons;
    throw error;
  }
}

function lemur(...pairs: [string, unknown][]): PluginInput {
  return input({
    slug: 'upload-destination',
    title: 'x',
    type: 'destination',
    pluginOptions: pairs.map(([name, value]) => ({ name, value, helpMessage: 'x', required: true })),
  });
}

describe('parseOptions', () => {
  it('fills in defaults', () => {
    const expected = { host: 'h', port: 22, verify: true, urls: [] };
    expect(parseOptions(upload, input({ id: 'upload', options: { host: 'h' } }))).toEqual({
      given: expected,
      values: expected,
    });
  });

  it('reads what the forms of Lemur send', () => {
    expect(
      parseOptions(
        upload,
        lemur(
          ['host', 10],
          ['port', ' 2222 '],
          ['verify', 'False'],
          ['format', ''],
          ['urls', 'a, b\nc'],
          ['password', null],
        ),
      ).values,
    ).toEqual({ host: '10', port: 2222, verify: false, urls: ['a', 'b', 'c'] });
  });

  it('does not coerce in our own form', () => {
    expect(reasons(() => parseOptions(upload, input({ id: 'upload', options: { host: 1, port: '22' } })))).toEqual({
      'plugin.options.host': ['Expected text'],
      'plugin.options.port': ['Expected a number'],
    });
  });

  it('names each option that is wrong, missing or unknown', () => {
    expect(reasons(() => parseOptions(upload, lemur(['port', 'ssh'], ['format', 'IIS'], ['nope', ''])))).toEqual({
      'plugin.options.host': ['Required'],
      'plugin.options.port': ['Expected a number'],
      'plugin.options.format': ['Expected one of "NGINX", "Apache"'],
      'plugin.options.nope': ['Unknown field'],
    });
  });

  it('lets id choose options, and slug pluginOptions', () => {
    const both = { options: { host: 'ours' }, pluginOptions: [{ name: 'host', value: 'theirs' }] };
    expect(parseOptions(upload, input({ id: 'upload', ...both })).values).toMatchObject({ host: 'ours' });
    expect(parseOptions(upload, input({ slug: 'upload', ...both })).values).toMatchObject({ host: 'theirs' });
    expect(parseOptions(upload, input({ slug: 'upload', options: both.options })).values).toMatchObject({
      host: 'ours',
    });
    expect(parseOptions(upload, input({ id: 'upload', pluginOptions: both.pluginOptions })).values).toMatchObject({
      host: 'theirs',
    });
  });
});

describe('ConfiguredPlugins', () => {
  const create = (options: object): StoredPlugin =>
    configured.seal(upload, input({ id: 'upload', options }), 'destination');
  const change = (before: StoredPlugin, options: object): StoredPlugin =>
    configured.seal(upload, input({ id: 'upload', options }), 'destination', before);

  it('keeps secrets out of the plain column', () => {
    const row = create({ host: 'h', password: 'marker' });
    expect(row).toMatchObject({
      pluginId: 'upload',
      options: { host: 'h', port: 22, verify: true, urls: [], password: null },
    });
    expect(JSON.stringify(row.options)).not.toContain('marker');
    expect(row.sealedOptions?.bytes.includes('marker')).toBe(false);
    expect(configured.open(upload, row, 'destination')).toEqual({
      host: 'h',
      port: 22,
      verify: true,
      urls: [],
      password: 'marker',
    });
  });

  it('seals nothing where there is no secret', () => {
    expect(create({ host: 'h' }).sealedOptions).toBeNull();
    expect(configured.open(upload, create({ host: 'h' }), 'destination')).toMatchObject({ host: 'h' });
  });

  it('keeps a secret that is absent and removes one that is null (29: certmate#424)', () => {
    const row = create({ host: 'h', password: 'one', token: 'two' });
    const changed = change(row, { host: 'i', password: null });
    expect(changed.secretId).toBe(row.secretId);
    expect(configured.open(upload, changed, 'destination')).toEqual({
      host: 'i',
      port: 22,
      verify: true,
      urls: [],
      token: 'two',
    });
    expect(configured.view('destination', changed).secretsSet).toEqual(['token']);
    expect(change(changed, { host: 'i', token: null }).sealedOptions).toBeNull();
    expect([
      configured.secretsChanged(row, changed, 'destination'),
      configured.secretsChanged(changed, change(changed, { host: 'j' }), 'destination'),
    ]).toEqual([['password'], []]);
  });

  it('gives no secret of one plugin to another', () => {
    const row = { ...create({ host: 'h', password: 'one' }), pluginId: 'other' };
    expect(configured.open(upload, change(row, { host: 'h' }), 'destination')).not.toHaveProperty('password');
  });

  it('sends a secret to another address only when the request names it again, or clears it', () => {
    const before = configured.seal(
      service,
      input({ id: 'service', options: { url: 'https://a.test', token: 't' } }),
      't',
    );
    const change = (options: object): unknown =>
      reasons(() =>
        configured.open(service, configured.seal(service, input({ id: 'service', options }), 't', before), 't'),
      );
    expect(change({ url: 'https://b.test' })).toEqual({
      'plugin.options.token': ['Send it again, because url has changed.'],
    });
    expect(change({ url: 'https://a.test' })).toMatchObject({ token: 't' });
    expect(change({ url: 'https://b.test', token: 't' })).toMatchObject({ url: 'https://b.test', token: 't' });
    expect(change({ url: 'https://b.test', token: null })).toEqual({ url: 'https://b.test' });
  });

  it('treats an address that is a secret itself in the same way', () => {
    const hook = defineExport({
      id: 'plain',
      title: 'Plain',
      description: 'For tests.',
      needsPrivateKey: false,
      fileNames: (stem) => [stem],
      export: async () => ({ files: [], extension: 'txt' }),
      options: z.strictObject({ url: secretUrl('URL', 'About it.'), token: secret('Token', 'About it.').optional() }),
    });
    const seal = (options: object, before?: StoredPlugin): StoredPlugin =>
      configured.seal(hook, input({ id: 'plain', options }), 't', before);
    const before = seal({ url: 'https://a.test/1', token: 't' });
    const change = (options: object): unknown => reasons(() => configured.open(hook, seal(options, before), 't'));
    expect(change({ url: 'https://b.test/2' })).toEqual({
      'plugin.options.token': ['Send it again, because url has changed.'],
    });
    expect(change({})).toEqual({ url: 'https://a.test/1', token: 't' });
    expect(change({ url: 'https://a.test/1' })).toEqual({ url: 'https://a.test/1', token: 't' });
    expect(change({ token: 'u' })).toEqual({ url: 'https://a.test/1', token: 'u' });
    expect(change({ url: 'https://b.test/2', token: 'u' })).toEqual({ url: 'https://b.test/2', token: 'u' });
  });

  it("takes back what it showed, in Lemur's form, with nothing lost", () => {
    const row = create({ host: 'h', port: 23, urls: ['a', 'b'], password: 'one' });
    const view = PluginView.parse(configured.view('destination', row));
    expect(JSON.stringify(view)).not.toContain('one');
    expect(view).toMatchObject({
      slug: 'upload-destination',
      title: 'Upload',
      options: { host: 'h', port: 23, verify: true, urls: ['a', 'b'] },
      secretsSet: ['password'],
    });
    expect(view.pluginOptions.map(({ name, type, value }) => [name, type, value])).toEqual([
      ['host', 'str', 'h'],
      ['port', 'int', 23],
      ['verify', 'bool', true],
      ['format', 'select', null],
      ['urls', 'str', 'a, b'],
      ['password', 'str', null],
      ['token', 'str', null],
    ]);
    const again = configured.seal(upload, input(JSON.parse(JSON.stringify(view))), 'destination', row);
    expect(configured.open(upload, again, 'destination')).toEqual(configured.open(upload, row, 'destination'));
  });

  it('never shows an option that became a secret later', () => {
    const row = { ...create({ host: 'h' }), options: { host: 'h', token: 'marker' } };
    expect(JSON.stringify(configured.view('destination', row))).not.toContain('marker');
    expect(configured.open(upload, row, 'destination')).toMatchObject({ token: 'marker' });
    expect(change(row, { host: 'h' }).options).toMatchObject({ token: null });
  });

  it('says what no longer fits', () => {
    const row = { ...create({ host: 'h', password: 'marker' }), options: { port: 'x', gone: 1 } };
    expect(() => configured.open(upload, row, 'destination')).toThrow(
      expect.objectContaining({
        fault: 'misconfigured',
        detail: expect.stringMatching(/^The options of Upload no longer fit it.*host.*port.*gone/),
      }),
    );
    expect(() => configured.plugin('destination', 'removed')).toThrow(
      expect.objectContaining({ fault: 'misconfigured' }),
    );
    expect(configured.view('destination', { pluginId: 'removed', options: { a: 1, password: null } })).toEqual({
      slug: 'removed',
      title: 'removed',
      description: '',
      options: { a: 1 },
      pluginOptions: [],
      secretsSet: [],
    });
  });

  it('binds secrets to their row and table', () => {
    const row = create({ host: 'h', password: 'one' });
    expect(() => configured.open(upload, row, 'source')).toThrow(/does not open/);
    expect(() =>
      configured.open(upload, { ...create({ host: 'h' }), sealedOptions: row.sealedOptions }, 'destination'),
    ).toThrow(/does not open/);
  });

  it('moves secrets to the newest key', () => {
    const row = create({ host: 'h', password: 'one' });
    expect(configured.rekey(row, 'destination')).toBeNull();
    expect(configured.rekey(create({ host: 'h' }), 'destination')).toBeNull();
    const fresh = { id: 'two', key: randomBytes(32) };
    const oldRing = [{ id: 'old', key: randomBytes(32) }];
    const old = new ConfiguredPlugins(registry, new KeyRing(oldRing)).seal(
      upload,
      input({ id: 'upload', options: { host: 'h', password: 'one' } }),
      'destination',
    );
    const sealedOptions = new ConfiguredPlugins(registry, new KeyRing([fresh, ...oldRing])).rekey(old, 'destination');
    expect(sealedOptions?.keyId).toBe('two');
    expect(
      new ConfiguredPlugins(registry, new KeyRing([fresh])).open(upload, { ...old, sealedOptions }, 'destination'),
    ).toMatchObject({ password: 'one' });
  });

  it('finds what a request chooses', () => {
    expect(configured.chosen('destination', input({ slug: 'upload-destination' }))).toBe(upload);
    expect(configured.chosen('destination', input({ id: 'upload' }))).toBe(upload);
    expect(reasons(() => configured.chosen('issuer', input({ id: 'upload' })))).toEqual({
      'plugin.id': ['Unknown issuer plugin "upload"'],
    });
    expect(reasons(() => configured.chosen('issuer', input({ slug: 'nope' })))).toEqual({
      'plugin.slug': ['Unknown issuer plugin "nope"'],
    });
  });
});
