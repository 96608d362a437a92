import { Injectable } from '@nestjs/common';
import { parseCertificate, type ParsedCertificate } from '../../pki/certificate.js';
import { splitCertificates } from '../../pki/pem.js';
import { PkiError } from '../../pki/pki-error.js';
import { Database } from '../../platform/db/database.js';
import { systemRoots } from '../../platform/net/system-roots.js';

/** Whose CA certificates are trusted: those of the authorities here, or those of the operating system. */
export const trustSources = ['authorities', 'system'] as const;
export type TrustSource = (typeof trustSources)[number];

/** CA certificates that are known here. */
export interface KnownCas {
  anchors: readonly ParsedCertificate[];
  intermediates: readonly ParsedCertificate[];
}

/** Finds the CA certificates to which a path may lead. */
@Injectable()
export class TrustAnchors {
  private parsed: ReadonlyMap<string, ParsedCertificate> = new Map();
  private system: Promise<ParsedCertificate[]> | undefined;

  constructor(private readonly db: Database) {}

  /** The topmost known certificate of each authority is an anchor; what is below it helps to find a path. */
  async of(sources: readonly TrustSource[]): Promise<KnownCas> {
    const system = sources.includes('system') ? await this.systemAnchors() : [];
    const chains = await this.authorityChains();
    const tops = sources.includes('authorities') ? chains.map((chain) => chain.slice(-1)) : [];
    return { anchors: [...tops.flat(), ...system], intermediates: chains.flat() };
  }

  private systemAnchors(): Promise<ParsedCertificate[]> {
    this.system ??= systemRoots().then((pem) => splitCertificates(pem).flatMap((one) => readable(one) ?? []));
    return this.system;
  }

  /** Every certificate with which an authority issues, and those above it, the top last. */
  private async authorityChains(): Promise<ParsedCertificate[][]> {
    const rows: { chain: string[] }[] = await this.db.single.query(
      `select array[certificate_pem] || chain_pem as chain from authority
       union select array[certificate_pem] || chain_pem from authority_issuer`,
    );
    const parsed = new Map<string, ParsedCertificate>();
    const chains = rows.map(({ chain }) =>
      chain.flatMap((pem) => {
        const one = this.parsed.get(pem) ?? parsed.get(pem) ?? readable(pem);
        if (one) parsed.set(pem, one);
        return one ?? [];
      }),
    );
    this.parsed = parsed;
    return chains;
  }
}

/** Null for one that cannot be read, so that it does not make all others useless. */
function readable(pem: string): ParsedCertificate | null {
  try {
    return parseCertificate(pem);
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}
