import { z } from 'zod';
import { fileStem } from '../../src/pki/file-stem.js';
import { pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';
import { atEvery, failureAmong } from '../../src/plugin-api/targets.js';
import { BigIp, type FileKind, type ProfilePair } from './big-ip.client.js';

const placeholder = '{commonName}';
const objectName = /^[A-Za-z0-9][\w.-]{0,127}$/;

const options = z.strictObject({
  url: serviceUrl.meta({
    title: 'URL',
    description: 'Address of the management interface, without a path.',
    examples: ['https://bigip.example.com'],
  }),
  username: z.string().min(1).max(128).meta({
    title: 'User name',
    description: 'An account with the role Administrator, which may delete uploaded files.',
  }),
  password: secret('Password', 'Of the account.'),
  loginProvider: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default('tmos')
    .meta({
      title: 'Login provider',
      description: 'tmos for local accounts and those of the configured directory.',
    }),
  partition: z.string().regex(objectName, 'must be the name of a partition').default('Common').meta({
    title: 'Partition',
    description: 'Where certificates, keys and profiles are.',
  }),
  name: z
    .string()
    .max(128)
    .refine((name) => objectName.test(name.replaceAll(placeholder, 'x')), {
      error: `must be letters, digits and .-_; the only placeholder is ${placeholder}`,
    })
    .default(placeholder)
    .meta({
      title: 'Name',
      description:
        `Of the objects, to which .crt, .key and -chain.crt are added. ${placeholder} stands for the common name, ` +
        'with _wildcard for *. A name without it has room for one certificate.',
    }),
  profiles: z
    .array(z.string().regex(/^(?:\/[\w.-]+\/)?[\w.-]+$/, 'must be the name of a profile, with or without partition'))
    .max(100)
    .default([])
    .meta({
      title: 'Profiles',
      description:
        'Client SSL profiles that are to use the certificate, in place of the one that they have. Those that use it ' +
        'already go on with its successor.',
    }),
  deviceGroup: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional()
    .meta({ title: 'Device group', description: 'Whose other members get the configuration after a change.' }),
  ...serviceOptions,
});

type BigIpOptions = Options<typeof options>;

/** A file of the bundle as it is on a BIG-IP. */
interface WantedFile {
  kind: FileKind;
  name: string;
  text: string;
}

/** Installs certificate, key and chain on a BIG-IP, each successor in place of its predecessor. */
export const f5BigIp = defineDestination({
  id: 'f5-big-ip',
  title: 'F5 BIG-IP',
  description:
    'Installs certificate, key and chain on an F5 BIG-IP in one transaction, replaces them under the same names, and ' +
    'sets them in client SSL profiles.',
  options,
  needsPrivateKey: true,

  async check(o, ctx) {
    const bigIp = new BigIp(o, ctx);
    await bigIp.compare('ssl-cert', `${stemOf('www.example.com', o)}.crt`, '');
    await atEvery(profilesOf(o), ctx, async ({ name }) => void (await pairsOf(bigIp, name)));
  },

  locate: ({ bundle }, o) => locationOf(bundle, o),

  async deliver({ bundle }, o, ctx) {
    const fault = pairFault(bundle.chainPem[0], bundle.privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    const bigIp = new BigIp(o, ctx);
    const files = [];
    for (const file of wanted(bundle, o)) {
      const held = await bigIp.compare(file.kind, file.name, file.text);
      if (held !== 'same') files.push({ ...file, isThere: held !== null });
    }
    const pair = pairFor(bundle, o, bigIp);
    const profiles = new Map<string, ProfilePair[]>();
    // A profile that is gone keeps neither the files nor the other profiles from their certificate.
    const failure = await failureAmong(profilesOf(o), ctx, async ({ name }) => {
      const pairs = await pairsOf(bigIp, name);
      if (!pairs.some((held) => isSamePair(held, pair)))
        profiles.set(name, [{ ...pair, name: pairs[0]?.name ?? 'default' }]);
    });
    const names = wanted(bundle, o).map(({ name }) => name);
    try {
      if (files.length > 0 || profiles.size > 0) await bigIp.install(files, profiles);
    } catch (error) {
      await bigIp.clear(names).catch(() => undefined);
      throw error;
    }
    // Both also when nothing has changed: an earlier attempt may have ended after it had installed the files.
    await bigIp.clear(names);
    await bigIp.save();
    if (o.deviceGroup !== undefined) await bigIp.synchronize(o.deviceGroup);
    if (failure !== null) throw failure;
    return { location: locationOf(bundle, o) };
  },

  async verify({ bundle }, o, ctx) {
    const bigIp = new BigIp(o, ctx);
    for (const { kind, name, text } of wanted(bundle, o)) {
      const held = await bigIp.compare(kind, name, text);
      if (held === null) return { state: 'missing' };
      if (held === 'different') return { state: 'different', detail: `${bigIp.fullPath(name)} has other content.` };
    }
    const pair = pairFor(bundle, o, bigIp);
    const others: string[] = [];
    const failure = await failureAmong(profilesOf(o), ctx, async ({ name }) => {
      if (!(await pairsOf(bigIp, name)).some((held) => isSamePair(held, pair))) others.push(name);
    });
    const [other] = others;
    if (other !== undefined)
      return { state: 'different', detail: `The profile ${bigIp.fullPath(other)} uses another certificate.` };
    if (failure !== null) throw failure;
    return { state: 'same' };
  },

  async remove({ bundle }, o, ctx) {
    const bigIp = new BigIp(o, ctx);
    const [leaf] = wanted(bundle, o);
    if (leaf === undefined || (await bigIp.compare(leaf.kind, leaf.name, leaf.text)) !== 'same') return;
    const stem = stemOf(bundle.commonName, o);
    const names = [
      leaf,
      { kind: 'ssl-key', name: `${stem}.key` },
      { kind: 'ssl-cert', name: `${stem}-chain.crt` },
    ] as const;
    const there = [];
    for (const { kind, name } of names) if ((await bigIp.compare(kind, name, '')) !== null) there.push({ kind, name });
    await bigIp.delete(there);
    await bigIp.save();
    if (o.deviceGroup !== undefined) await bigIp.synchronize(o.deviceGroup);
  },
});

/** The leaf first. A bundle without its key has no file for it. */
function wanted({ commonName, chainPem: [leafPem = '', ...issuers], privateKeyPem }: Bundle, o: BigIpOptions) {
  const stem = stemOf(commonName, o);
  const files: WantedFile[] = [{ kind: 'ssl-cert', name: `${stem}.crt`, text: pemText([leafPem]) }];
  if (privateKeyPem !== undefined) files.push({ kind: 'ssl-key', name: `${stem}.key`, text: pemText([privateKeyPem]) });
  if (issuers.length > 0) files.push({ kind: 'ssl-cert', name: `${stem}-chain.crt`, text: pemText(issuers) });
  return files;
}

function pairFor({ commonName, chainPem }: Bundle, o: BigIpOptions, bigIp: BigIp): Omit<ProfilePair, 'name'> {
  const stem = stemOf(commonName, o);
  return {
    cert: bigIp.fullPath(`${stem}.crt`),
    key: bigIp.fullPath(`${stem}.key`),
    ...(chainPem.length > 1 && { chain: bigIp.fullPath(`${stem}-chain.crt`) }),
  };
}

function isSamePair(held: ProfilePair, { cert, key, chain }: Omit<ProfilePair, 'name'>): boolean {
  return held.cert === cert && held.key === key && (held.chain ?? 'none') === (chain ?? 'none');
}

function profilesOf({ profiles }: BigIpOptions): { name: string }[] {
  return profiles.map((name) => ({ name }));
}

async function pairsOf(bigIp: BigIp, profile: string): Promise<ProfilePair[]> {
  const pairs = await bigIp.pairsOf(profile);
  if (pairs !== null) return pairs;
  throw new PluginError('misconfigured', `BIG-IP has no client SSL profile ${bigIp.fullPath(profile)}.`);
}

function stemOf(commonName: string, { name }: BigIpOptions): string {
  return name.replaceAll(placeholder, fileStem(commonName).replaceAll('@', '-at-'));
}

function locationOf({ commonName }: Bundle, o: BigIpOptions): string {
  return `/${o.partition}/${stemOf(commonName, o)} at ${new URL(o.url).host}`;
}
