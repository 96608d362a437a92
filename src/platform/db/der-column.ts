import type { ValueTransformer } from 'typeorm';
import { parsePem, toPem } from '../../pki/pem.js';

/** Transformer of a `bytea` column that holds DER, and is PEM with this label in the entity. */
export class DerColumn implements ValueTransformer {
  constructor(private readonly label: string) {}

  /** Throws PkiError `malformed-pem`. */
  to(pem: unknown): unknown {
    return typeof pem === 'string' ? parsePem(pem, this.label)[0] : pem;
  }

  from(der: unknown): string | null {
    return der instanceof Uint8Array ? toPem(this.label, Buffer.from(der)) : null;
  }
}

export const certificateColumn = new DerColumn('CERTIFICATE');
export const csrColumn = new DerColumn('CERTIFICATE REQUEST');
