import { describe, expect, it } from 'vitest';
import { plain, upload } from '../../../test/support/sample-plugins.js';
import { PluginRegistry } from './registry.js';

describe('PluginRegistry', () => {
  it('refuses two plugins of one name', () => {
    expect(() => new PluginRegistry([upload, { ...plain, aliases: ['upload-destination'] }])).toThrow(
      /upload and plain both answer to "upload-destination"/,
    );
  });

  it('lists what a client needs', () => {
    expect(new PluginRegistry([upload, plain]).list().map(({ id }) => id)).toEqual(['plain', 'upload']);
    expect(new PluginRegistry([upload, plain]).list('export').map(({ id }) => id)).toEqual(['plain']);
    const [described] = new PluginRegistry([upload, plain]).list('destination');
    expect(described).toMatchObject({
      id: 'upload',
      slug: 'upload-destination',
      kind: 'destination',
      type: 'destination',
      can: [],
      form: { type: 'object', required: ['host'] },
    });
    expect(described?.pluginOptions.slice(0, 2)).toEqual([
      { name: 'host', title: 'Host', type: 'str', required: true, helpMessage: 'About Host.', validation: '' },
      {
        name: 'port',
        title: 'Port',
        type: 'int',
        required: false,
        helpMessage: 'About Port.',
        validation: '',
        default: 22,
      },
    ]);
    expect(described?.pluginOptions[3]).toMatchObject({ type: 'select', available: ['NGINX', 'Apache'] });
    expect(described?.pluginOptions[5]).toMatchObject({ sensitive: true });
  });
});
