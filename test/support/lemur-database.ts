import { createCipheriv, createHmac, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { hash as bcrypt } from 'bcrypt';
import type { DataSource } from 'typeorm';
import { createEmptyDatabase, type TestDatabase } from './database.js';
import { lemurSchema } from './lemur-schema.js';

export const fernetKey = `${randomBytes(32).toString('base64url')}=`;
const dayMs = 86_400_000;

/** A certificate of a Lemur's, in PEM, with its key. */
export interface MadeCertificate {
  body: string;
  privateKey: string;
  keys: webcrypto.CryptoKeyPair;
  certificate: x509.X509Certificate;
}

/** Seals as Lemur does (the Fernet specification). */
export function fernetSeal(text: string, key = fernetKey): Buffer {
  const bytes = Buffer.from(key, 'base64url');
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-128-cbc', bytes.subarray(16), iv);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000)));
  const signed = Buffer.concat([Buffer.from([0x80]), time, iv, cipher.update(text), cipher.final()]);
  const token = Buffer.concat([signed, createHmac('sha256', bytes.subarray(0, 16)).update(signed).digest()]).toString(
    'base64url',
  );
  return Buffer.from(token.padEnd(Math.ceil(token.length / 4) * 4, '='));
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
let serial = 0x1000;

/** Made by a library that the program's own writer has no part in. `issuer`: null for one that signs itself. */
export async function makeCertificate(
  cn: string,
  issuer: MadeCertificate | null,
  from: Date,
  to: Date,
  isCa = false,
): Promise<MadeCertificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  serial += 1;
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial.toString(16),
      subject: `CN=${cn}`,
      issuer: issuer?.certificate.subject ?? `CN=${cn}`,
      notBefore: from,
      notAfter: to,
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: (issuer?.keys ?? keys).privateKey,
      extensions: isCa
        ? [
            new x509.BasicConstraintsExtension(true, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
          ]
        : [
            new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: cn }]),
            new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          ],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const privateKey =
    `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END ` +
    `PRIVATE KEY-----\n`;
  return { body: `${certificate.toString('pem')}\n`, privateKey, keys, certificate };
}

/** A key that belongs to nothing. */
export function strayKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A database of Lemur's to be filled. */
export class LemurFixture {
  private constructor(readonly database: TestDatabase) {}

  static async create(): Promise<LemurFixture> {
    const database = await createEmptyDatabase([]);
    for (const statement of lemurSchema.split(';\n'))
      if (statement.trim() !== '') await database.source.query(statement);
    return new LemurFixture(database);
  }

  get source(): DataSource {
    return this.database.source;
  }

  /** The new id. */
  async add(table: string, row: Record<string, unknown>): Promise<number> {
    const columns = Object.keys(row);
    const values = Object.values(row).map((value) =>
      typeof value === 'object' && value !== null && !(value instanceof Date) && !Buffer.isBuffer(value)
        ? JSON.stringify(value)
        : value,
    );
    const [made] = await this.source.query<{ id?: number }[]>(
      `insert into ${table} (${columns.join()}) values (${columns.map((_, i) => `$${i + 1}`).join()}) returning *`,
      values,
    );
    return made?.id ?? 0;
  }

  async link(table: string, row: Record<string, number>): Promise<void> {
    await this.add(table, row);
  }

  /** A row of `certificates` for this one, as Lemur would write it. */
  certificate(made: MadeCertificate, name: string, row: Record<string, unknown>): Promise<number> {
    const {
      certificate: { notBefore, notAfter },
    } = made;
    return this.add('certificates', {
      name,
      body: made.body,
      private_key: fernetSeal(made.privateKey),
      notify: true,
      deleted: false,
      status: 'valid',
      rotation: false,
      cn: name,
      not_before: notBefore,
      not_after: notAfter,
      date_created: notBefore,
      ...row,
    });
  }
}

/** Days from now, to the second. */
export function inDays(days: number): Date {
  return new Date(Math.floor((Date.now() + days * dayMs) / 1000) * 1000);
}

/** As Lemur hashes passwords, but cheaper. */
export function lemurHash(password: string): Promise<string> {
  return bcrypt(password, 4);
}

/** A list of options as Lemur stores it. */
export function options(values: Record<string, unknown>): object[] {
  return Object.entries(values).map(([name, value]) => ({
    name,
    type: 'str',
    required: true,
    helpMessage: '',
    value,
    ...(name === 'password' && { sensitive: true }),
  }));
}
