import { extname } from 'node:path';
import { z } from 'zod';
import { parseCertificate, type ParsedCertificate } from '../../src/pki/certificate.js';
import { orderChain } from '../../src/pki/chain.js';
import { parsePrivateKey, publicMatches } from '../../src/pki/key.js';
import { toPem } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { defineSource, type Found, type FoundTrouble, pollRateOption } from '../../src/plugin-api/source.js';
import { absolutePath, allowed, demandAllowedRoot, translated } from './allowed.js';
import { foldersBelow, type ReadFile, type ReadFolder } from './certificate-files.js';

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
        'Import the unencrypted private key from the same folder as an imported ' +
        'certificate. Otherwise private keys are ignored.',
    }),
  pollRate: pollRateOption,
});

type FolderOptions = Options<typeof options>;

const certificateFiles = new Set(['.pem', '.crt', '.cer', '.cert', '.der']);
const keyFiles = new Set(['.key', '.pem']);
const binaryFiles = new Set(['.crt', '.cer', '.cert', '.der']);
const certificateBlock = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)(?:-----END \1-----)?/g;
const keyBlock = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[^-]+-----END \1-----/g;

/** Finds certificates in a folder on this machine. */
export const filesystemSource = defineSource({
  id: 'filesystem-source',
  title: 'Folder on this machine',
  description:
    'Finds certificates in PEM and DER files (.pem, .crt, .cer, .cert, .der) of a ' +
    'local or mounted folder. Read-only, and never leaves the folder.',
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
  const extensions = o.readKeys ? new Set([...certificateFiles, ...keyFiles]) : certificateFiles;
  const walk = foldersBelow(root, extensions, ctx.signal);
  const next = () => translated(ctx.signal, () => walk.next());
  for (let step = await next(); step.done !== true; step = await next()) yield step.value;
}

interface Located {
  path: string;
  certificate: ParsedCertificate;
}

/** Issuers are often in another file of the folder: every certificate in it is a candidate. */
async function findsIn({ files, unreadable }: ReadFolder, o: FolderOptions): Promise<Found[]> {
  const troubles: FoundTrouble[] = unreadable.map(({ path, detail }) => ({ kind: 'trouble', location: path, detail }));
  const located = files.flatMap((file) => certificatesIn(file, troubles));
  const issuers = located.map(({ certificate }) => certificate).filter(({ isCa }) => isCa);
  const keys = o.readKeys ? files.flatMap(keysIn) : [];
  const counted = new Map<string, number>();
  const finds: Found[] = [...troubles];
  for (const { path, certificate } of located.filter(({ certificate: one }) => o.authorities || !isAuthority(one))) {
    const n = (counted.get(path) ?? 0) + 1;
    counted.set(path, n);
    const chain = [certificate, ...(await orderChain(certificate, issuers))];
    const key = keys.find(({ fits }) => fits(certificate));
    finds.push({
      kind: 'certificate',
      location: n === 1 ? path : `${path}#${n}`,
      chainPem: chain.map(({ der }) => toPem('CERTIFICATE', der)),
      ...(key && { privateKeyPem: key.pem }),
    });
  }
  return finds;
}

function isAuthority({ isCa, subjectAltNames }: ParsedCertificate): boolean {
  return isCa && !subjectAltNames.some(({ type }) => type === 'dns' || type === 'ip');
}

function certificatesIn({ path, bytes }: ReadFile, troubles: FoundTrouble[]): Located[] {
  const text = bytes.includes('-----BEGIN') ? bytes.toString('latin1') : null;
  if (text === null && !binaryFiles.has(extname(path).toLowerCase())) return [];
  const encoded =
    text === null
      ? [bytes]
      : [...text.matchAll(certificateBlock)].map(([, , body = '']) => Buffer.from(body, 'base64'));
  return encoded.flatMap((der) => {
    try {
      return [{ path, certificate: parseCertificate(der) }];
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      troubles.push({
        kind: 'trouble',
        location: path,
        detail: `It holds a certificate that cannot be read: ${error.message}`,
      });
      return [];
    }
  });
}

interface FoundKey {
  pem: string;
  fits: (certificate: ParsedCertificate) => boolean;
}

/** The keys that are not encrypted. */
function keysIn({ bytes }: ReadFile): FoundKey[] {
  return [...bytes.toString('latin1').matchAll(keyBlock)].flatMap(([pem]) => {
    try {
      const key = parsePrivateKey(pem);
      return [{ pem, fits: ({ spkiDer }) => publicMatches(key, spkiDer) }];
    } catch {
      return [];
    }
  });
}
