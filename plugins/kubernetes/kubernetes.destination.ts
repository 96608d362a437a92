import { isSameLeaf, pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { demandToken } from './kubernetes-api.client.js';
import { KubernetesSecrets, type TlsSecret } from './kubernetes.client.js';
import { options, type KubernetesOptions } from './kubernetes.options.js';
import { secretName } from './secret-name.js';

const nothing = { certificate: '', privateKey: '' };

/** TLS secrets of a Kubernetes cluster, from which ingresses, gateways and pods take their certificate. */
export const kubernetes = defineDestination({
  id: 'kubernetes',
  title: 'Kubernetes TLS secret',
  description:
    'Applies a secret of type kubernetes.io/tls with the full chain and the key to a namespace of a cluster.',
  options,
  needsPrivateKey: true,

  admit: demandToken,

  async check(o, ctx) {
    const [secrets, name] = [new KubernetesSecrets(o, ctx), secretName(o.name, 'www.example.com')];
    await secrets.find(name);
    await secrets.apply(name, nothing, { force: o.overwrite, dryRun: true });
    await secrets.demandDeletion(name);
  },

  locate: ({ bundle }, o) => locationOf(secretName(o.name, bundle.commonName), o),

  async deliver({ bundle }, o, ctx) {
    const { chainPem, privateKeyPem = '' } = bundle;
    const fault = pairFault(chainPem[0], privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    const name = secretName(o.name, bundle.commonName);
    const wanted = { certificate: pemText(chainPem), privateKey: pemText([privateKeyPem]) };
    const held = await new KubernetesSecrets(o, ctx).apply(name, wanted, { force: o.overwrite });
    if (held.certificate !== wanted.certificate || held.privateKey !== wanted.privateKey)
      throw new PluginError(
        'misconfigured',
        `The cluster changes what is applied to the secret ${locationOf(name, o)}.`,
      );
    return { location: locationOf(name, o) };
  },

  async verify({ location, bundle: { chainPem } }, o, ctx) {
    const held = await new KubernetesSecrets(o, ctx).find(nameAt(location, o));
    if (held === null || held.certificate === '') return { state: 'missing' };
    const detail = differenceOf(held, chainPem);
    return detail === null ? { state: 'same' } : { state: 'different', detail: `The secret ${location} ${detail}.` };
  },

  async remove({ location, bundle: { chainPem } }, o, ctx) {
    const [secrets, name] = [new KubernetesSecrets(o, ctx), nameAt(location, o)];
    const held = await secrets.find(name);
    if (!held?.isOurs || isSameLeaf(held.certificate, chainPem[0] ?? '') !== true) return;
    // A TLS secret cannot lack these two keys, and other keys in it belong to others.
    if (held.others.length > 0) await secrets.apply(name, nothing, { force: false });
    else await secrets.delete(name, held);
  },
});

/** What of the secret is not as delivered, as the end of a sentence; null when nothing is. */
function differenceOf({ certificate, privateKey }: TlsSecret, chainPem: readonly string[]): string | null {
  if (isSameLeaf(certificate, chainPem[0] ?? '') !== true) return 'holds another certificate';
  if (pairFault(chainPem[0], privateKey) !== null) return 'holds no private key of the certificate';
  return certificate === pemText(chainPem) ? null : 'holds another certificate chain';
}

/** The secret of a location. Throws PluginError `misconfigured` when the location is in another namespace. */
function nameAt(location: string, o: KubernetesOptions): string {
  const start = locationOf('', o);
  if (location.startsWith(start)) return location.slice(start.length);
  throw new PluginError('misconfigured', `"${location}" is not in the namespace "${o.namespace}".`);
}

function locationOf(name: string, { namespace }: KubernetesOptions): string {
  return `${namespace}/${name}`;
}
