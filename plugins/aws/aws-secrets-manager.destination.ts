import { z } from 'zod';
import { fileStem } from '../../src/pki/file-stem.js';
import { isSameLeaf, pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import { demandAccount } from './aws-credentials.js';
import { awsAccess, demandWhole } from './aws.options.js';
import { AwsSecrets } from './secrets-manager.client.js';

const placeholder = '{commonName}';

const options = z.strictObject({
  ...awsAccess,
  name: z
    .string()
    .max(400)
    .refine((name) => /^[\w/+=.@-]+$/.test(name.replaceAll(placeholder, 'x')), {
      error: `must be letters, digits and /+=.@-_; the only placeholder is ${placeholder}`,
    })
    .default(`certificates/${placeholder}`)
    .meta({
      title: 'Name',
      description:
        `Of the secret. ${placeholder} stands for the common name, with _wildcard for *. A name without it has room ` +
        'for one certificate.',
    }),
  kmsKeyId: z
    .string()
    .regex(/^[\w:/-]{1,2048}$/)
    .optional()
    .meta({ title: 'KMS key', description: 'Id or ARN of the key for new secrets. Absent: that of the account.' }),
  overwrite: z.boolean().default(false).meta({
    title: 'Overwrite',
    description: 'Gives new values to a secret of this name that this program has not made.',
  }),
});

type SecretsOptions = Options<typeof options>;

/** Keeps each certificate as a secret of AWS Secrets Manager: a JSON object, one version for each delivery. */
export const awsSecretsManager = defineDestination({
  id: 'aws-secrets-manager',
  title: 'AWS Secrets Manager',
  description: 'Keeps certificate, chain and key as one JSON secret of AWS Secrets Manager.',
  options,
  needsPrivateKey: true,

  async admit(o) {
    demandWhole(o);
  },

  async check(o, ctx) {
    await demandAccount(o, ctx);
    await new AwsSecrets(o, ctx).isOurs(nameOf('www.example.com', o));
  },

  locate: ({ bundle }, o) => locationOf(bundle, o),

  async deliver({ bundle }, o, ctx) {
    const fault = pairFault(bundle.chainPem[0], bundle.privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    await demandAccount(o, ctx);
    const secrets = new AwsSecrets(o, ctx);
    const name = nameOf(bundle.commonName, o);
    const text = valueOf(bundle);
    const isOurs = await secrets.isOurs(name);
    if (isOurs === false && !o.overwrite)
      throw new PluginError(
        'misconfigured',
        `The secret ${name} was not made by this program. Choose another name, or allow to overwrite it.`,
      );
    const held = isOurs === null ? null : await secrets.read(name);
    if (isOurs === null) await secrets.create(name, text, o.kmsKeyId);
    else if (held?.text !== text) await secrets.put(name, text, held);
    return { location: locationOf(bundle, o) };
  },

  async verify({ bundle }, o, ctx) {
    const held = await new AwsSecrets(o, ctx).read(nameOf(bundle.commonName, o));
    if (held === null) return { state: 'missing' };
    if (holds(held.text, bundle)) return { state: 'same' };
    return { state: 'different', detail: `The secret ${nameOf(bundle.commonName, o)} holds another certificate.` };
  },

  async remove({ bundle }, o, ctx) {
    await demandAccount(o, ctx);
    const secrets = new AwsSecrets(o, ctx);
    const name = nameOf(bundle.commonName, o);
    const held = await secrets.read(name);
    if (held === null || !holds(held.text, bundle)) return;
    if ((await secrets.isOurs(name)) === true) return secrets.delete(name);
    throw new PluginError(
      'misconfigured',
      `The secret ${name} was not made by this program, which therefore does not delete it.`,
    );
  },
});

function valueOf({ chainPem, privateKeyPem = '', serialHex }: Bundle): string {
  return JSON.stringify({
    certificate: pemText(chainPem.slice(0, 1)),
    chain: pemText(chainPem.slice(1)),
    fullchain: pemText(chainPem),
    private_key: pemText([privateKeyPem]),
    serial_number: serialHex,
  });
}

const Value = z.object({ certificate: z.string() });

function holds(text: string, { chainPem }: Bundle): boolean {
  try {
    const value = Value.safeParse(JSON.parse(text));
    return value.success && isSameLeaf(value.data.certificate, chainPem[0] ?? '') === true;
  } catch {
    return false;
  }
}

function nameOf(commonName: string, { name }: SecretsOptions): string {
  return name.replaceAll(placeholder, fileStem(commonName));
}

function locationOf({ commonName }: Bundle, o: SecretsOptions): string {
  return `${nameOf(commonName, o)} in ${o.region}`;
}
