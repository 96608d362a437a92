import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import { defineSource, type Found, pollRateOption } from '../../src/plugin-api/source.js';
import { demandWhole, iamAccess } from './aws.options.js';
import { chainOfIam } from './held-certificates.js';
import { ensureAccount, nameInLocation } from './iam-name.js';
import { type HeldCertificate, IamCertificates, type ListedCertificate, withIam } from './iam.client.js';

const options = z.strictObject({
  ...iamAccess,
  ownerTag: z.string().min(1).max(128).optional().meta({
    title: 'Owner tag',
    description: "Name of the tag that holds the e-mail address of a certificate's owner.",
  }),
  pollRate: pollRateOption,
});

type AwsIamOptions = Options<typeof options>;

/** Finds the server certificates of an AWS account. */
export const awsIamSource = defineSource({
  id: 'aws-iam-source',
  aliases: ['aws-source'],
  title: 'AWS IAM server certificates',
  description:
    'Finds the server certificates of an AWS account below an IAM path. Their private keys ' +
    'stay there: IAM never returns them.',
  options,

  async admit(o) {
    demandWhole(o);
  },

  async check(o, ctx) {
    await withIam(o, ctx, async (iam) => {
      const arn = await iam.anyArn();
      if (arn !== undefined) ensureAccount(arn, o);
    });
  },

  async *scan(o, ctx) {
    ctx.signal.throwIfAborted();
    const iam = await IamCertificates.open(o, ctx);
    try {
      for await (const listed of iam.list(o.path || '/')) yield* await findOf(listed, iam, o);
    } finally {
      iam.close();
    }
  },

  async remove({ location, sha256 }, o, ctx) {
    await withIam(o, ctx, async (iam) => {
      const name = nameInLocation(location);
      const held = await iam.find(name);
      if (held === null) return;
      ensureAccount(held.arn, o);
      if (held.arn !== location || fingerprintOf(held) !== sha256)
        throw new PluginError('refused', `The name "${name}" now belongs to another certificate.`);
      await iam.delete(name);
    });
  },
});

async function findOf({ name, arn }: ListedCertificate, iam: IamCertificates, o: AwsIamOptions): Promise<Found[]> {
  ensureAccount(arn, o);
  let held: HeldCertificate | null;
  try {
    held = await iam.find(name);
  } catch (error) {
    // A policy may hide single certificates. When the service is unavailable, stop: the rest is unknown too.
    if (!(error instanceof PluginError) || error.fault === 'unavailable') throw error;
    return [{ kind: 'trouble', location: arn, detail: error.detail }];
  }
  // Deleted since the listing.
  if (held === null) return [];
  const owner = o.ownerTag === undefined ? undefined : held.tags[o.ownerTag];
  return [
    {
      kind: 'certificate',
      location: arn,
      externalId: held.id,
      chainPem: chainOfIam(held),
      ...(owner !== undefined && { owner }),
    },
  ];
}

/** As in FoundRef; undefined when the certificate cannot be parsed. */
function fingerprintOf({ bodyPem }: HeldCertificate): string | undefined {
  try {
    return new X509Certificate(bodyPem).fingerprint256.replaceAll(':', '').toLowerCase();
  } catch {
    return undefined;
  }
}
