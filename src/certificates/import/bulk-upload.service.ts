import { Injectable, Logger } from '@nestjs/common';
import { titleOf } from '../../pki/certificate.js';
import type { NamedFile } from '../../pki/certificate-file.js';
import { toPem } from '../../pki/pem.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import { validate } from '../../platform/http/validate.js';
import { privateKeyPem } from '../../platform/key-maker.js';
import { storable } from '../../platform/text.js';
import { readZip, type ZipEntry, ZipError } from '../../platform/zip.js';
import {
  type BulkCare,
  type BulkUploadItem,
  type BulkUploadRequest,
  type BulkUploadView,
  mostAtOnce,
  mostIterations,
  mostRead,
} from './bulk-upload.schema.js';
import { type MatchedCertificate, type MatchedFiles, matchFiles } from './matched-files.js';
import { UploadRequest } from './upload.schema.js';
import { UploadService } from './upload.service.js';

const longestPath = 500;

/** Imports many certificates at once, each in its own transaction: one that fails does not stop the others. */
@Injectable()
export class BulkUploadService {
  private readonly logger = new Logger('import');

  constructor(private readonly uploads: UploadService) {}

  /** Throws Problem `invalid-request` for an archive that cannot be read, and for more than 200 certificates. */
  async upload(actor: Actor, { pem, zip, passphrases, dryRun, ...care }: BulkUploadRequest): Promise<BulkUploadView> {
    const entries = zip === undefined ? [{ path: 'pem', bytes: Buffer.from(pem ?? '') }] : await unpacked(zip);
    const member = zip === undefined ? 'pem' : 'zip';
    const demandFew = (count: number): void => {
      if (count > mostRead)
        throw invalid(member, `It holds more than ${mostRead} certificates, those of CAs included.`);
    };
    const matched = await matchFiles(entries.flatMap(readable), passphrases, {
      demandFew,
      effort: { left: mostIterations },
    });
    matched.faults.unshift(...entries.flatMap(({ path, fault }) => (fault === undefined ? [] : [{ path, fault }])));
    const { certificates, authorities, faults } = matched;
    if (certificates.length > mostAtOnce)
      throw invalid(member, `It holds ${certificates.length} certificates; one request may have ${mostAtOnce}.`);
    if (certificates.length + authorities.length + faults.length === 0)
      throw invalid(member, 'It holds no certificate.');
    const items = await this.import(actor, matched, { care, dryRun });
    const count = (outcome: BulkUploadItem['outcome']): number =>
      items.filter((item) => item.outcome === outcome).length;
    return { dryRun, items, imported: count('imported'), failed: count('failed') };
  }

  /** The outcomes for files that cannot be read, CA certificates, and certificates. `advance` is called for each. */
  async import(
    actor: Actor,
    { certificates, authorities, faults }: MatchedFiles,
    { care, dryRun }: { care: BulkCare; dryRun: boolean },
    advance: () => void = () => undefined,
  ): Promise<BulkUploadItem[]> {
    const items: BulkUploadItem[] = [
      ...faults.map(({ path, fault }) => ({ ...unread(path), detail: fault })),
      ...authorities.map((one) => item(one, 'skipped', 'a CA certificate: imported as part of chains only')),
    ];
    for (const one of certificates) {
      items.push(await this.importOne(actor, one, care, dryRun));
      advance();
    }
    return items;
  }

  private async importOne(
    actor: Actor,
    found: MatchedCertificate,
    care: BulkCare,
    dryRun: boolean,
  ): Promise<BulkUploadItem> {
    try {
      const request = validate(UploadRequest, {
        ...care,
        body: toPem('CERTIFICATE', found.leaf.der),
        chain: found.chain.map(({ der }) => toPem('CERTIFICATE', der)).join('') || undefined,
        privateKey: found.privateKey && privateKeyPem(found.privateKey),
      });
      if (dryRun) await this.uploads.prepare(actor, request);
      const id = dryRun ? null : (await this.uploads.upload(actor, request)).id;
      return { ...item(found, dryRun ? 'found' : 'imported', partsOf(found)), id };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'internal') this.logger.error(error);
      return item(found, problem.code === 'conflict' ? 'known' : 'failed', problem.detail);
    }
  }
}

async function unpacked(zip: string): Promise<ZipEntry[]> {
  try {
    return await readZip(Buffer.from(zip, 'base64'));
  } catch (error) {
    if (error instanceof ZipError) throw invalid('zip', `${error.message}.`);
    throw error;
  }
}

function readable({ path, bytes }: ZipEntry): NamedFile[] {
  return bytes === undefined ? [] : [{ path, bytes }];
}

function unread(path: string): Omit<BulkUploadItem, 'detail'> {
  return { path: storable(path, longestPath), cn: null, outcome: 'failed', id: null };
}

function item(
  { path, leaf }: Pick<MatchedCertificate, 'path' | 'leaf'>,
  outcome: BulkUploadItem['outcome'],
  detail: string,
): BulkUploadItem {
  return { ...unread(path), cn: titleOf(leaf), outcome, detail };
}

function partsOf({ leaf, chain, privateKey }: MatchedCertificate): string {
  const issuers = `${chain.length} ${chain.length === 1 ? 'issuer' : 'issuers'}`;
  const end = leaf.notAfter.toISOString().slice(0, 10);
  return `${privateKey ? 'with its key' : 'without its key'}, ${issuers}, expires ${end}`;
}
