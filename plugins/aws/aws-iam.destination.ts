import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineDestination, type PlacedRequest } from '../../src/plugin-api/destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import {
  checkPlaces,
  exclusiveLocation,
  isServing,
  releaseFrom,
  servedAt,
  type ServedCertificate,
  serveAt,
  servingOptions,
} from './aws-serving.js';
import { demandWhole, iamAccess } from './aws.options.js';
import { accountOf, certificateName, ensureAccount, nameInLocation, nameWithSerial, pathInArn } from './iam-name.js';
import { type HeldCertificate, IamCertificates, iamCode, withIam } from './iam.client.js';

const options = z.strictObject({
  ...iamAccess,
  namePrefix: z
    .string()
    .regex(/^[\w+=,.@-]{0,64}$/, 'may hold letters, digits and +=,.@-_')
    .optional()
    .meta({
      title: 'Name prefix',
      description: "Prefix of the certificate's name, for example to distinguish installations.",
    }),
  ...servingOptions,
});

type AwsIamOptions = Options<typeof options>;

/** Uploads certificates to AWS IAM. IAM cannot replace content, so each certificate is uploaded under its own name. */
export const awsIam = defineDestination({
  id: 'aws-iam',
  aliases: ['aws-destination'],
  title: 'AWS IAM server certificates',
  description:
    'Uploads certificate, chain and key as a server certificate of AWS IAM, and makes load balancers and CloudFront ' +
    'distributions serve it.',
  options,
  needsPrivateKey: true,
  keepsReplaced: isServing,

  async admit(o) {
    demandWhole(o);
    if (o.distributions.length > 0 && !o.path.startsWith('/cloudfront/'))
      throw new PluginError('misconfigured', 'CloudFront takes certificates below the path "/cloudfront/" alone.');
  },

  async check(o, ctx) {
    await withIam(o, ctx, async (iam) => {
      const arn = await iam.anyArn();
      if (arn !== undefined) ensureAccount(arn, o);
    });
    await checkPlaces(o, ctx);
  },

  // What IAM holds is not for that reason served by the endpoints of this destination.
  source: ({ namePrefix: _, listeners, listenerUse, classicListeners, distributions, ...o }) =>
    isServing({ listeners, listenerUse, classicListeners, distributions })
      ? null
      : {
          pluginId: 'aws-iam-source',
          options: { ...o, path: o.path || '/' },
          place: [
            ...(o.accountNumber === undefined ? ['accessKeyId', 'roleArn'] : ['accountNumber']),
            'endpoint',
            'path',
          ],
        },

  locate: ({ bundle }, o) => exclusiveLocation(o) ?? `${o.path || '/'}${certificateName(wantedName(bundle, o))}`,

  async deliver({ bundle }, o, ctx) {
    const material = materialOf(bundle);
    return withIam(o, ctx, async (iam) => {
      const wanted = wantedName(bundle, o);
      for (const name of [certificateName(wanted), nameWithSerial(wanted, bundle.serialHex)]) {
        const arn = await place(iam, name, material, o);
        if (arn === null) continue;
        await serveAt(o, await referenceTo({ arn, name }, iam, o), ctx);
        return { location: exclusiveLocation(o) ?? arn };
      }
      throw new PluginError(
        'misconfigured',
        `The name "${certificateName(wanted)}" is taken by other certificates, with and without the serial ` +
          'number, or the certificate is below another path.',
      );
    });
  },

  async verify(placed, o, ctx) {
    return withIam(o, ctx, async (iam) => {
      for (const name of namesOf(placed, o)) {
        const held = await heldAs(iam, name, placed, o);
        if (held !== null) return servedAt(o, referenceOf(held), ctx);
      }
      return { state: 'missing' };
    });
  },

  async remove(placed, o, ctx) {
    await withIam(o, ctx, async (iam) => {
      for (const name of namesOf(placed, o)) {
        const held = await heldAs(iam, name, placed, o);
        if (held === null) continue;
        await releaseFrom(o, referenceOf(held), ctx);
        await iam.delete(name);
      }
    });
  },
});

/** Where no ARN is recorded: the names that the delivery may have used. */
function namesOf({ location, bundle }: Pick<PlacedRequest, 'location' | 'bundle'>, o: AwsIamOptions): string[] {
  if (isServerCertificate(location)) return [nameInLocation(location)];
  const wanted = wantedName(bundle, o);
  return [certificateName(wanted), nameWithSerial(wanted, bundle.serialHex)];
}

/** `name` if it is this certificate, else null. Without a recorded ARN, only below the path of this destination. */
async function heldAs(
  iam: IamCertificates,
  name: string,
  { location, bundle }: Pick<PlacedRequest, 'location' | 'bundle'>,
  o: AwsIamOptions,
): Promise<HeldCertificate | null> {
  const held = await iam.find(name);
  if (held === null || !sameCertificate(held.bodyPem, bundle.chainPem[0] ?? '')) return null;
  if (!isServerCertificate(location)) {
    ensureAccount(held.arn, o);
    return pathInArn(held.arn) === (o.path || '/') ? held : null;
  }
  if (accountOf(held.arn) === accountOf(location)) return held;
  throw new PluginError(
    'misconfigured',
    `The credentials belong to account ${accountOf(held.arn)}, but the certificate is in ${accountOf(location)}.`,
  );
}

/** The location of an exclusive place begins as an ARN, too. */
function isServerCertificate(location: string): boolean {
  return /^arn:[\w-]+:iam::/.test(location);
}

/** How the places refer to what was uploaded. Its id is read only for CloudFront, which needs it. */
async function referenceTo(
  { arn, name }: { arn: string; name: string },
  iam: IamCertificates,
  o: AwsIamOptions,
): Promise<ServedCertificate> {
  if (o.distributions.length === 0) return { arn };
  const held = await iam.find(name);
  if (held?.arn === arn) return referenceOf(held);
  throw new PluginError('unavailable', `Amazon IAM does not show "${name}" yet.`);
}

function referenceOf({ arn, id }: HeldCertificate): ServedCertificate {
  return { arn, iamId: id };
}

interface Material {
  CertificateBody: string;
  CertificateChain?: string;
  PrivateKey: string;
}

/**
 * The ARN under `name`, or null when the name is taken by another certificate or path: names are unique per account,
 * whatever the path.
 */
async function place(iam: IamCertificates, name: string, material: Material, o: AwsIamOptions): Promise<string | null> {
  try {
    const arn = await iam.upload({ ServerCertificateName: name, Path: o.path || '/', ...material });
    await keepOnlyIn(arn, name, iam, o);
    return arn;
  } catch (error) {
    // After a lost response the certificate exists, and a full account answers LimitExceeded instead.
    const code = iamCode(error);
    if (code !== 'EntityAlreadyExists' && code !== 'LimitExceeded') throw error;
    const held = await iam.find(name);
    if (held !== null && sameCertificate(held.bodyPem, material.CertificateBody)) {
      ensureAccount(held.arn, o);
      // A certificate below the path of another destination is removed by that destination.
      return pathInArn(held.arn) === (o.path || '/') ? held.arn : null;
    }
    if (code === 'LimitExceeded') throw error;
    if (held === null)
      throw new PluginError('unavailable', `Amazon IAM says that "${name}" exists, but does not show it yet.`);
    return null;
  }
}

async function keepOnlyIn(arn: string, name: string, iam: IamCertificates, o: AwsIamOptions): Promise<void> {
  try {
    ensureAccount(arn, o);
  } catch (error) {
    await iam.delete(name);
    throw error;
  }
}

function wantedName(bundle: Bundle, o: AwsIamOptions): string {
  return `${o.namePrefix ?? ''}${bundle.name}`;
}

/** IAM requires the leaf alone as body, the chain without the root, and no text before a PEM block. */
function materialOf({ chainPem, privateKeyPem }: Bundle): Material {
  if (chainPem.length === 0 || privateKeyPem === undefined)
    throw new PluginError('refused', 'The bundle has no certificate or no private key.');
  const [leaf, ...issuers] = chainPem.map(readCertificate);
  const chain = issuers
    .filter((issuer) => !issuer.checkIssued(issuer))
    .map(String)
    .join('');
  return {
    CertificateBody: String(leaf),
    PrivateKey: `${privateKeyPem.trim()}\n`,
    ...(chain !== '' && { CertificateChain: chain }),
  };
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new PluginError('refused', 'A certificate of the bundle cannot be read.');
  }
}

function sameCertificate(heldPem: string, pem: string): boolean {
  return readCertificate(heldPem).fingerprint256 === readCertificate(pem).fingerprint256;
}
