import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { certificateFiles, contentOf, keyFiles } from '../../src/pki/certificate-file.js';
import { orderChain } from '../../src/pki/chain.js';
import { publicMatches } from '../../src/pki/key.js';
import { toPem } from '../../src/pki/pem.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { defineSource, type Found, pollRateOption } from '../../src/plugin-api/source.js';
import { absolutePath, allowed, demandAllowedRoot, translated } from './allowed.js';
import { foldersBelow, type ReadFolder } from './certificate-files.js';

const options = z.strictObject({
  path: absolutePath.meta({
    title: 'Folder',
    description: 'Absolute path of the folder on this machine. Subfolders are included.',
    examples: ['/etc/ssl/live'],
  }),
  authorities: z.boolean().default(false).meta({
    title: 'Certificates of authorities',
    description:
      'Import CA certificates too, e.g. of trust stores. Otherwise only those CA certificates that name a host.',
  }),
  readKeys: z
    .boolean()
    .default(false)
    .meta({
      title: 'Take private keys',
      description:
        'Import the private key from the same folder as an imported certificate: from a PEM file if it is not ' +
        'encrypted, from a PKCS#12 or JKS file if a passphrase opens it. Otherwise private keys are ignored.',
    }),
  passphrases: secret(
    'Passphrases',
    'One on each line; each is tried on every PKCS#12 file, and on the keys of JKS files when private keys are taken.',
  )
    .max(4096)
    .refine((text) => linesOf(text).length <= 16, 'must be at most 16 lines')
    .optional(),
  pollRate: pollRateOption,
});

type FolderOptions = Options<typeof options>;

/** Finds certificates in a folder on this machine. */
export const filesystemSource = defineSource({
  id: 'filesystem-source',
  title: 'Folder on this machine',
  description:
    'Finds certificates in the files of a local or mounted folder: PEM and DER (.pem, .crt, .cer, .cert, .der), ' +
    'PKCS#7 (.p7b, .p7c), PKCS#12 and Java key stores (.p12, .pfx, .jks, .jceks, .keystore, .truststore). Read-only, ' +
    'and never leaves the folder.',
  options,

  admit: (o, ctx) => translated(ctx.signal, () => demandAllowedRoot(o.path, ctx.site)),

  async check(o, ctx) {
    for await (const _ of folders(o, ctx)) return;
  },

  async *scan(o, ctx) {
    for await (const folder of folders(o, ctx)) yield* await findsIn(folder, o);
  },
});

async function* folders(o: FolderOptions, ctx: PluginContext): AsyncGenerator<ReadFolder> {
  ctx.signal.throwIfAborted();
  const root = await translated(ctx.signal, () => allowed(o.path, ctx.site));
  const extensions = new Set([...certificateFiles, ...(o.readKeys ? keyFiles : [])]);
  const walk = foldersBelow(root, extensions, ctx.signal);
  const next = () => translated(ctx.signal, () => walk.next());
  for (let step = await next(); step.done !== true; step = await next()) yield step.value;
}

/** Issuers are often in another file of the folder: every certificate in it is a candidate. */
async function findsIn({ files, unreadable }: ReadFolder, o: FolderOptions): Promise<Found[]> {
  const finds: Found[] = unreadable.map(({ path, detail }) => ({ kind: 'trouble', location: path, detail }));
  const located: { path: string; certificate: ParsedCertificate }[] = [];
  const keys: KeyObject[] = [];
  for (const file of files) {
    const content = await contentOf(file, linesOf(o.passphrases));
    located.push(...content.certificates.map((certificate) => ({ path: file.path, certificate })));
    if (o.readKeys) keys.push(...content.keys);
    finds.push(...content.faults.map((detail) => ({ kind: 'trouble' as const, location: file.path, detail })));
  }
  const issuers = located.map(({ certificate }) => certificate).filter(({ isCa }) => isCa);
  const counted = new Map<string, number>();
  for (const { path, certificate } of located.filter(({ certificate: one }) => o.authorities || !isAuthority(one))) {
    const n = (counted.get(path) ?? 0) + 1;
    counted.set(path, n);
    const chain = [certificate, ...(await orderChain(certificate, issuers))];
    const key = keys.find((one) => publicMatches(one, certificate.spkiDer));
    finds.push({
      kind: 'certificate',
      location: n === 1 ? path : `${path}#${n}`,
      chainPem: chain.map(({ der }) => toPem('CERTIFICATE', der)),
      ...(key && { privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString() }),
    });
  }
  return finds;
}

function linesOf(text = ''): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '');
}

function isAuthority({ isCa, subjectAltNames }: ParsedCertificate): boolean {
  return isCa && !subjectAltNames.some(({ type }) => type === 'dns' || type === 'ip');
}
