import { fileStem } from '../../src/pki/file-stem.js';
import { pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { enlist, entriesOf, findLoaded, fingerprintOf, introduce, replace, unload } from './certificates.js';
import { HaproxyRuntime, tlsOf } from './haproxy.client.js';
import { addressOf, type HaproxyOptions, options, placeholder } from './haproxy.options.js';
import { Turns } from './turns.js';

/** One HAProxy has one transaction at a time. */
const turns = new Turns();

/** Replaces certificates in the memory of a running HAProxy. Its files on disk stay as they are. */
export const haproxy = defineDestination({
  id: 'haproxy',
  title: 'HAProxy runtime API',
  description: 'Replaces certificates in a running HAProxy, without a reload; the files that it starts from stay.',
  options,
  needsPrivateKey: true,

  async admit(o) {
    tlsOf(o);
  },

  async check(o, ctx) {
    const runtime = new HaproxyRuntime(o, ctx);
    const level = await runtime.ask('show cli level');
    if (!/^admin$/m.test(level))
      throw new PluginError('misconfigured', 'The runtime API does not let this program act: it needs "level admin".');
    if (o.crtList !== undefined) await entriesOf(runtime, fileOf('www.example.com', o), o.crtList);
  },

  locate: ({ bundle }, o) => `${fileOf(bundle.commonName, o)} at ${addressOf(o)}`,

  async deliver({ bundle }, o, ctx) {
    const { chainPem, privateKeyPem = '' } = bundle;
    const fault = pairFault(chainPem[0], privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    const file = fileOf(bundle.commonName, o);
    const content = { pem: pemText([privateKeyPem, ...chainPem]), fingerprint: fingerprintOf(chainPem[0] ?? '') };
    const runtime = new HaproxyRuntime(o, ctx);
    await turns.take(addressOf(o), async () => {
      if (o.crtList !== undefined) await introduce(runtime, file);
      await replace(runtime, file, content);
      if (o.crtList !== undefined) await enlist(runtime, file, o.crtList);
    });
    return { location: `${file} at ${addressOf(o)}` };
  },

  async verify({ location, bundle: { chainPem } }, o, ctx) {
    const file = fileAt(location, o);
    const runtime = new HaproxyRuntime(o, ctx);
    const loaded = await findLoaded(runtime, file);
    if (loaded === null) return { state: 'missing' };
    if (loaded !== fingerprintOf(chainPem[0] ?? ''))
      return { state: 'different', detail: `HAProxy holds another certificate in ${file}.` };
    if (o.crtList !== undefined && (await entriesOf(runtime, file, o.crtList)).length === 0)
      return { state: 'different', detail: `The certificate list ${o.crtList} does not name ${file}.` };
    return { state: 'same' };
  },

  async remove({ location, bundle: { chainPem } }, o, ctx) {
    const file = fileAt(location, o);
    const runtime = new HaproxyRuntime(o, ctx);
    await turns.take(addressOf(o), async () => {
      if ((await findLoaded(runtime, file)) !== fingerprintOf(chainPem[0] ?? '')) return;
      if (o.crtList === undefined)
        throw new PluginError(
          'misconfigured',
          `HAProxy cannot unload ${file}, which its configuration names: take it out there and reload HAProxy.`,
        );
      await unload(runtime, file, o.crtList);
    });
  },
});

/** The file of a location. Throws PluginError `misconfigured` when the location is at another HAProxy. */
function fileAt(location: string, o: HaproxyOptions): string {
  const end = ` at ${addressOf(o)}`;
  if (!location.endsWith(end)) throw new PluginError('misconfigured', `"${location}" is not at ${addressOf(o)}.`);
  return location.slice(0, -end.length);
}

function fileOf(commonName: string, { file }: HaproxyOptions): string {
  return file.replaceAll(placeholder, fileStem(commonName));
}
