import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { secret, type Options } from '../../src/plugin-api/options.js';
import { defineDestination, type Bundle, type PluginContext } from '../../src/plugin-api/plugin.js';
import { IamCertificates, iamCode } from './aws-iam.client.js';
import { certificateName, nameInLocation, nameWithSerial } from './certificate-name.js';

const options = z.strictObject({
  accountNumber: z.string().regex(/^\d{12}$/, 'must have 12 digits').optional().meta({
    title: 'Account number', description: 'The 12 digits of the AWS account. When given, certificates are never left in another account.',
  }),
  path: z.string().regex(/^(?:\/|\/[!-~]{1,510}\/)?$/, 'must start and end with "/"').default('/').meta({
    title: 'Path', description: 'IAM path of the certificates, from "/" to "/". CloudFront needs one that starts with "/cloudfront/".', examples: ['/cloudfront/'],
  }),
  region: z.string().regex(/^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as us-east-1').default('us-east-1').meta({
    title: 'Region', description: 'Region whose credentials sign the requests. IAM itself is global.',
  }),
  accessKeyId: z.string().regex(/^\w{1,128}$/).optional().meta({
    title: 'Access key id', description: 'Absent: the credentials that the AWS SDK finds on this machine (environment, profile, instance role).',
  }),
  secretAccessKey: secret('Secret access key', 'Belongs to the access key id.').optional(),
  sessionToken: secret('Session token', 'Only for temporary credentials.').optional(),
  endpoint: z.url({ protocol: /^https?$/ }).optional().meta({
    title: 'Endpoint', description: 'URL of an IAM emulator or a private endpoint. Absent: Amazon\'s own.',
  }),
  namePrefix: z.string().regex(/^[\w+=,.@-]{0,64}$/, 'may hold letters, digits and +=,.@-_').optional().meta({
    title: 'Name prefix', description: 'Put before the certificate\'s name, for instance to tell installations apart.',
  }),
});

type AwsIamOptions = Options<typeof options>;

/** Uploads certificates to AWS IAM. IAM cannot replace content, so every certificate gets a name of its own there. */
export const awsIam = defineDestination({
  id: 'aws-iam',
  aliases: ['aws-destination'],
  title: 'AWS IAM server certificates',
  description: 'Uploads certificate, chain and key as a server certificate of AWS IAM, for load balancers and CloudFront.',
  options,
  needsPrivateKey: true,

  async check(o, ctx) {
    await withIam(o, ctx, async (iam) => {
      const arn = await iam.anyArn();
      if (arn !== undefined) ensureAccount(arn, o);
    });
  },

  locate: (bundle, o) => `${o.path || '/'}${certificateName(wantedName(bundle, o))}`,

  async deliver(bundle, o, ctx) {
    const material = materialOf(bundle);
    return withIam(o, ctx, async (iam) => {
      const wanted = wantedName(bundle, o);
      for (const name of [certificateName(wanted), nameWithSerial(wanted, bundle.serialHex)]) {
        const arn = await place(iam, name, material, o);
        if (arn !== null) return { location: arn };
      }
      throw new PluginError('misconfigured', `Other certificates hold the name "${certificateName(wanted)}" with and without the serial number.`);
    });
  },

  async remove(location, o, ctx) {
    // A mere name, of a delivery that never answered, may be another certificate's.
    if (!location.startsWith('arn:')) return;
    await withIam(o, ctx, async (iam) => {
      const name = nameInLocation(location);
      const held = await iam.find(name);
      if (held === null) return;
      if (accountOf(held.arn) !== accountOf(location)) {
        throw new PluginError('misconfigured', `The credentials belong to account ${accountOf(held.arn)}, but the certificate is in ${accountOf(location)}.`);
      }
      await iam.delete(name);
    });
  },
});

interface Material { CertificateBody: string; CertificateChain?: string; PrivateKey: string }

/** The ARN under `name`, or null when another certificate holds that name. */
async function place(iam: IamCertificates, name: string, material: Material, o: AwsIamOptions): Promise<string | null> {
  try {
    const arn = await iam.upload({ ServerCertificateName: name, Path: o.path || '/', ...material });
    await keepOnlyIn(arn, name, iam, o);
    return arn;
  } catch (error) {
    // A lost answer leaves the certificate there, and an account that it filled answers with the quota.
    const code = iamCode(error);
    if (code !== 'EntityAlreadyExists' && code !== 'LimitExceeded') throw error;
    const held = await iam.find(name);
    if (held !== null && sameCertificate(held.bodyPem, material.CertificateBody)) {
      ensureAccount(held.arn, o);
      return held.arn;
    }
    if (code === 'LimitExceeded') throw error;
    if (held === null) throw new PluginError('unavailable', `Amazon IAM says that "${name}" exists, but does not show it yet.`);
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

function ensureAccount(arn: string, { accountNumber }: AwsIamOptions): void {
  if (accountNumber !== undefined && accountOf(arn) !== accountNumber) {
    throw new PluginError('misconfigured', `The credentials belong to account ${accountOf(arn)}, not ${accountNumber}.`);
  }
}

/** `arn:partition:iam::account:server-certificate/path/name` */
function accountOf(arn: string): string {
  return arn.split(':')[4] ?? '';
}

function wantedName(bundle: Bundle, o: AwsIamOptions): string {
  return `${o.namePrefix ?? ''}${bundle.name}`;
}

/** IAM wants the leaf alone as body, the chain without its root, and no text before an armour. */
function materialOf({ chainPem, privateKeyPem }: Bundle): Material {
  if (chainPem.length === 0 || privateKeyPem === undefined) throw new PluginError('refused', 'The bundle has no certificate or no private key.');
  const [leaf, ...issuers] = chainPem.map(readCertificate);
  const chain = issuers.filter((issuer) => !issuer.checkIssued(issuer)).map(String).join('');
  return { CertificateBody: String(leaf), PrivateKey: `${privateKeyPem.trim()}\n`, ...(chain !== '' && { CertificateChain: chain }) };
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

async function withIam<T>(o: AwsIamOptions, ctx: PluginContext, work: (iam: IamCertificates) => Promise<T>): Promise<T> {
  const iam = await IamCertificates.open(o, ctx);
  try {
    return await work(iam);
  } finally {
    iam.close();
  }
}
