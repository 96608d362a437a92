import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Authorities } from '../authorities/authorities.js';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import { parseCertificate } from '../pki/certificate.js';
import { keyTag } from '../pki/issuer-key.js';
import { toPem } from '../pki/pem.js';
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
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
  ) {}

  /**
   * The certificate that names its key so and expires last; without a tag, the present one. Null when there is no such
   * authority or key, or the key is elsewhere.
   */
  async find(publicId: string, tag: string | null, form: 'crt' | 'pem'): Promise<PublicFile | null> {
    const authority = await this.repository.findPublic(this.db.single, publicId);
    if (authority === null) return null;
    const keys = tag === null ? [] : await this.authorities.keysOf(authority.id);
    const known = keys.flatMap(({ certificates }) => certificates).map((one) => parseCertificate(one.certificatePem));
    const found = tag === null ? parseCertificate(authority.certificatePem) : known.find((one) => keyTag(one) === tag);
    if (!found) return null;
    const { der, notBefore } = found;
    const body = form === 'crt' ? der : Buffer.from(toPem('CERTIFICATE', der));
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
