import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import { parseCertificate } from '../pki/certificate.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { PublicFile } from './public-file.js';

/** A CA certificate changes rarely, but it does change. */
const freshMs = 3_600_000;

/** The certificates of the CAs whose key is here, as files. */
@Injectable()
export class CaCertificates {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: AuthorityRepository,
  ) {}

  /** Null when there is no such authority, or its key is elsewhere. */
  async find(publicId: string, form: 'crt' | 'pem'): Promise<PublicFile | null> {
    const authority = await this.authorities.findPublic(this.db.single, publicId);
    if (authority === null) return null;
    const { der, notBefore } = parseCertificate(authority.certificatePem);
    const body = form === 'crt' ? der : Buffer.from(authority.certificatePem);
    return {
      // RFC 2585 §4.1 names the type of one certificate in DER.
      type: form === 'crt' ? 'application/pkix-cert' : 'application/x-pem-file',
      body,
      etag: `"${createHash('sha256').update(body).digest('base64url')}"`,
      modifiedAt: notBefore,
      freshUntil: new Date(this.clock.now().getTime() + freshMs),
    };
  }
}
