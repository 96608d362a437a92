import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Authorities } from '../authorities/authorities.js';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import { keyTagsOf } from '../authorities/issuing-keys.js';
import { pemParts } from '../pki/pem.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { CrlRepository, type NewList, type Published } from './crl.repository.js';
import type { PublicFile } from './public-file.js';

/** Which list of an authority: the shard, or null for that of all certificates; the complete list or its delta. */
export interface ListName {
  publicId: string;
  /** Null: the present key of the authority. */
  keyTag: string | null;
  shard: number | null;
  delta: boolean;
}

/** A list in DER. */
type DerFile = PublicFile & { body: Buffer };

interface Kept {
  /** When the database was last asked for the number, by a clock that only goes forward. */
  askedMs: number;
  file: DerFile | null;
  number: string | null;
}

/** A list that this process has stored. */
interface Made extends Pick<NewList, 'der' | 'deltaDer'> {
  id: number;
  number: string;
}

/** A new list is seen at the latest after this time. */
const askAgainMs = 1000;
/** Caches ask again after this time, since a new list may be there long before the end of the old one. */
const freshMs = 3_600_000;
const maxKeptOctets = 256 * 1024 * 1024;
const maxKept = 4096;
/** Octets that are hashed before other work of the process gets its turn. */
const sliceOctets = 1024 * 1024;

/** The published CRLs, kept in the process by their numbers, so that their octets are read once. */
@Injectable()
export class Crls {
  private readonly kept = new Map<string, Kept>();
  /** The PEM form of the DER of kept files. */
  private readonly pems = new WeakMap<Buffer, Promise<Buffer>>();
  /** The last one. */
  private made: Made | null = null;
  private readonly underWay = new Map<string, Promise<DerFile | null>>();

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly lists: CrlRepository,
    private readonly authorities: Authorities,
    private readonly authorityRepository: AuthorityRepository,
  ) {}

  /** A list that has just been stored: whoever asks for it next need not wait until its octets are read again. */
  offer(id: number, { number, der, deltaDer }: Pick<NewList, 'number' | 'der' | 'deltaDer'>): void {
    this.made = { id, number: String(number), der, deltaDer };
    this.dropOldest();
  }

  /** Null when there is no such list. */
  async find(name: ListName): Promise<DerFile | null> {
    const key = `${name.publicId} ${name.keyTag} ${name.shard} ${name.delta}`;
    const known = this.kept.get(key);
    if (known && performance.now() - known.askedMs < askAgainMs) return known.file;
    let reading = this.underWay.get(key);
    if (reading === undefined) {
      reading = this.read(key, name, known).finally(() => this.underWay.delete(key));
      this.underWay.set(key, reading);
    }
    return reading;
  }

  /** As `find`, in PEM, which is made once for each list, when `body` is read first. */
  async findPem(name: ListName): Promise<PublicFile | null> {
    const file = await this.find(name);
    if (file === null) return null;
    const pemOf = (der: Buffer): Promise<Buffer> => this.pemOf(der);
    return {
      ...file,
      etag: file.etag.replace(/"$/, '.pem"'),
      type: 'application/x-pem-file',
      get body() {
        return pemOf(file.body);
      },
    };
  }

  private pemOf(der: Buffer): Promise<Buffer> {
    let pem = this.pems.get(der);
    if (pem === undefined) {
      this.pems.set(der, (pem = inPem(der)));
      this.dropOldest();
    }
    return pem;
  }

  private async read(key: string, name: ListName, known: Kept | undefined): Promise<DerFile | null> {
    const askedMs = performance.now();
    const published = await this.published(name);
    if (published === null) return this.keep(key, { askedMs, file: null, number: null });
    if (known?.file && known.number === published.number)
      return this.keep(key, { ...known, askedMs, file: this.fresh(known.file, published) });
    const body = this.madeHere(published, name) ?? (await this.lists.read(this.db.single, published, name.delta));
    // Another list has taken its place: the next question finds that one.
    if (body === null) return this.read(key, name, undefined);
    const etag = `"${published.number}-${(await hashOf(body)).slice(0, 16)}"`;
    const file = { type: 'application/pkix-crl', body, etag, modifiedAt: published.thisUpdate };
    return this.keep(key, { askedMs, number: published.number, file: this.fresh(file, published) });
  }

  private madeHere({ id, number }: Published, { delta }: ListName): Buffer | null {
    if (this.made?.id !== id || this.made.number !== number) return null;
    return delta ? this.made.deltaDer : this.made.der;
  }

  /** A key may have had another tag: its certificates need not name it by one identifier. */
  private async published(name: ListName): Promise<Published | null> {
    const tx = this.db.single;
    const { publicId, keyTag } = name;
    const found = await this.lists.findPublished(tx, publicId, name);
    if (found !== null || keyTag === null) return found;
    const authority = await this.authorityRepository.findPublic(tx, publicId);
    const keys = authority ? await this.authorities.keysOf(authority.id) : [];
    const key = keys.find((one) => keyTagsOf(one).includes(keyTag));
    return key ? this.lists.findPublished(tx, publicId, { ...name, keyTag: null, keyId: key.keyId }) : null;
  }

  private fresh(file: Omit<DerFile, 'freshUntil'>, { nextUpdate }: Published): DerFile {
    const latest = this.clock.now().getTime() + freshMs;
    return { ...file, freshUntil: new Date(Math.min(latest, nextUpdate.getTime())) };
  }

  private keep(key: string, kept: Kept): DerFile | null {
    this.kept.delete(key);
    this.kept.set(key, kept);
    this.dropOldest();
    return kept.file;
  }

  /** Until the rest is small enough; the newest stays. */
  private dropOldest(): void {
    let octets = this.octetsMade();
    for (const { file } of this.kept.values()) octets += this.octetsOf(file);
    if (octets > maxKeptOctets) {
      octets -= this.octetsMade();
      this.made = null;
    }
    for (const [oldest, { file }] of this.kept) {
      if ((octets <= maxKeptOctets && this.kept.size <= maxKept) || this.kept.size === 1) break;
      this.kept.delete(oldest);
      octets -= this.octetsOf(file);
    }
  }

  private octetsMade(): number {
    return this.made === null ? 0 : this.made.der.length + (this.made.deltaDer?.length ?? 0);
  }

  private octetsOf(file: DerFile | null): number {
    if (file === null) return 0;
    return file.body.length * (this.pems.has(file.body) ? 1 + pemPerDer : 1);
  }
}

/** In PEM, 48 octets make a line of 64 characters. */
const pemPerDer = 65 / 48;

async function inPem(der: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const part of pemParts('X509 CRL', der)) {
    parts.push(Buffer.from(part, 'latin1'));
    if (der.length > sliceOctets) await turn();
  }
  return Buffer.concat(parts);
}

/** SHA-256 in base64url. */
async function hashOf(body: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < body.length; from += sliceOctets) {
    hash.update(body.subarray(from, from + sliceOctets));
    if (body.length > sliceOctets) await turn();
  }
  return hash.digest('base64url');
}
