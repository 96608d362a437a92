import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { isSameLeaf, pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { AcmCertificates } from './acm.client.js';
import { demandAccount } from './aws-credentials.js';
import { awsAccess, demandWhole } from './aws.options.js';
import {
  checkPlaces,
  exclusiveLocation,
  isServing,
  releaseFrom,
  servedAt,
  serveAt,
  servingOptions,
} from './aws-serving.js';
import { cloudFrontRegion } from './cloudfront.client.js';

const options = z.strictObject({
  ...awsAccess,
  certificateArn: z
    .string()
    .regex(/^arn:aws[\w-]*:acm:[\w-]+:\d{12}:certificate\/[\w-]+$/, 'must be the ARN of a certificate of ACM')
    .optional()
    .meta({
      title: 'ARN',
      description:
        'Of a certificate that was imported before, and is replaced by what is delivered: room for one certificate. ' +
        'Absent: each common name has a certificate of its own, which is found again by its tag.',
    }),
  ...servingOptions,
});

type AcmOptions = Options<typeof options>;

/** The tag by which a certificate is found again. */
const tagKey = 'perennial:certificate';

/** Imports certificates into AWS Certificate Manager, each successor in place of its predecessor under the same ARN. */
export const awsAcm = defineDestination({
  id: 'aws-acm',
  aliases: ['aws-acm-dest'],
  title: 'AWS Certificate Manager',
  description:
    'Imports certificates into ACM and replaces them under the same ARN, so that load balancers and CloudFront go on ' +
    'with the new one; makes listeners and distributions serve them.',
  options,
  needsPrivateKey: true,
  keepsReplaced: isServing,

  async admit(o) {
    demandWhole(o);
    demandRegion(o);
  },

  async check(o, ctx) {
    await demandAccount(o, ctx);
    await find(new AcmCertificates(o, ctx), 'www.example.com', [], o);
    await checkPlaces(o, ctx);
  },

  locate: ({ bundle }, o) => locationOf(bundle, o),

  async deliver({ bundle }, o, ctx) {
    const material = materialOf(bundle);
    await demandAccount(o, ctx);
    const acm = new AcmCertificates(o, ctx);
    const found = await find(acm, bundle.commonName, domainNames(material.certificate, bundle), o);
    const held = found === null ? null : await acm.find(found);
    const isThere = held !== null && isSameLeaf(held.leafPem, material.certificate) === true;
    const place = found === null ? { tags: tagsFor(bundle.commonName) } : { arn: found };
    const arn = isThere && found !== null ? found : await acm.import(material, place);
    // An import in place takes no tags. ACM keeps those that are there; emulators forget them.
    if (found !== null && !isThere && o.certificateArn === undefined) await acm.tag(arn, tagsFor(bundle.commonName));
    await serveAt(o, { arn }, ctx);
    return { location: locationOf(bundle, o) };
  },

  async verify({ bundle }, o, ctx) {
    const held = await heldOf(bundle, o, ctx);
    if (held === null) return { state: 'missing' };
    if (isSameLeaf(held.leafPem, bundle.chainPem[0] ?? '') !== true)
      return { state: 'different', detail: `${held.arn} holds another certificate.` };
    return servedAt(o, { arn: held.arn }, ctx);
  },

  async remove({ bundle }, o, ctx) {
    const held = await heldOf(bundle, o, ctx);
    if (held === null || isSameLeaf(held.leafPem, bundle.chainPem[0] ?? '') !== true) return;
    const acm = new AcmCertificates(o, ctx);
    await releaseFrom(o, { arn: held.arn }, ctx);
    await acm.delete(held.arn);
  },
});

/** The certificate that stands at the place of the bundle, whichever it is. */
async function heldOf(bundle: Bundle, o: AcmOptions, ctx: PluginContext) {
  await demandAccount(o, ctx);
  const acm = new AcmCertificates(o, ctx);
  const arn = await find(acm, bundle.commonName, domainNames(bundle.chainPem[0] ?? '', bundle), o);
  const held = arn === null ? null : await acm.find(arn);
  return held === null || arn === null ? null : { arn, ...held };
}

async function find(
  acm: AcmCertificates,
  commonName: string,
  names: readonly string[],
  { certificateArn }: AcmOptions,
): Promise<string | null> {
  return certificateArn ?? (await acm.findTagged({ key: tagKey, value: tagValue(commonName) }, names));
}

/** ACM calls a certificate by its common name or, where it has none, by one of its alternative names. */
function domainNames(leafPem: string, { commonName }: Bundle): string[] {
  const { subjectAltName = '' } = new X509Certificate(leafPem);
  return [commonName, ...subjectAltName.split(', ').map((name) => name.replace(/^DNS:/, ''))];
}

function tagsFor(commonName: string) {
  return [
    { Key: tagKey, Value: tagValue(commonName) },
    { Key: 'Name', Value: tagValue(commonName) },
  ];
}

/** Tags take no `*`. */
function tagValue(commonName: string): string {
  return commonName
    .replace(/^\*/, '_wildcard')
    .replace(/[^\p{L}\p{N} _.:/=+@-]/gu, '_')
    .slice(0, 256);
}

function locationOf({ commonName }: Bundle, o: AcmOptions): string {
  return o.certificateArn ?? exclusiveLocation(o) ?? `${tagValue(commonName)} in ${o.region}`;
}

/** Throws PluginError `misconfigured` when a place takes no certificate of the region. */
function demandRegion({ region, listeners, classicListeners, distributions }: AcmOptions): void {
  const regions = [
    ...listeners.map((arn) => arn.split(':')[3] ?? ''),
    ...classicListeners.map((name) => name.split('/')[0] ?? ''),
  ];
  const other = regions.find((one) => one !== region);
  if (other !== undefined)
    throw new PluginError('misconfigured', `A listener in ${other} serves no certificate of ${region}.`);
  if (distributions.length > 0 && region !== cloudFrontRegion)
    throw new PluginError('misconfigured', `CloudFront takes certificates of ACM from ${cloudFrontRegion} alone.`);
}

/** ACM takes the leaf alone, and its issuers without the root. */
function materialOf({ chainPem, privateKeyPem = '' }: Bundle) {
  const [leafPem = '', ...issuers] = chainPem;
  const fault = pairFault(leafPem, privateKeyPem);
  if (fault !== null) throw new PluginError('refused', fault);
  const chain = issuers.filter((pem) => {
    const issuer = new X509Certificate(pem);
    return !issuer.checkIssued(issuer);
  });
  return { certificate: pemText([leafPem]), chain: pemText(chain), privateKey: pemText([privateKeyPem]) };
}
