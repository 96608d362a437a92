import { createPrivateKey, hash as digestOf } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { parseCertificate } from '../../pki/certificate.js';
import { publicKeyBitsOf } from '../../pki/key.js';
import { type OcspWriter, ocspWriter } from '../../pki/ocsp-response.js';
import { signatureAlgorithmOf, signerOf } from '../../pki/sign.js';
import type { Signer } from '../../plugin-api/signer.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import type { OcspIssuer } from './ocsp-issuers.js';
import { nameOf, OcspResponderMaker, renewalOf } from './ocsp-responder-maker.js';
import { responderKeyPlace } from './ocsp-responder.entity.js';
import { OcspResponderRepository } from './ocsp-responder.repository.js';

/** How often a process looks for the successor of a certificate that is due for renewal. */
const lookAgainMs = 60_000;

/** Signs OCSP responses for one CA. */
export interface ReadyResponder {
  writer: OcspWriter;
  signer: Signer;
  /** For `Signer.sign`. */
  hash: string | null;
  notAfter: Date;
  /** SHA-1 of the bits of its public key, by which responses name it. */
  keyHash: Buffer;
}

interface Kept extends ReadyResponder {
  renewAt: Date;
  lookAtMs: number;
}

/** The responders of all CAs ready to sign. Their keys are in the memory of the process. */
@Injectable()
export class OcspResponders {
  private readonly kept = new Map<string, Kept>();
  private readonly loading = new Map<string, Promise<Kept>>();

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly rows: OcspResponderRepository,
    private readonly maker: OcspResponderMaker,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * The responder of the CA, which is made when there is none. Throws Problem `unavailable` while another process makes
   * it, and what the KeyStore throws when the key of the CA cannot be used.
   */
  async of(issuer: OcspIssuer): Promise<ReadyResponder> {
    const now = this.clock.now();
    const known = this.kept.get(nameOf(issuer));
    const isCurrent = known !== undefined && now < known.notAfter;
    if (isCurrent && (now < known.renewAt || performance.now() < known.lookAtMs)) return known;
    const loaded = this.load(issuer);
    return isCurrent ? loaded.catch(() => known) : loaded;
  }

  private load(issuer: OcspIssuer): Promise<Kept> {
    const name = nameOf(issuer);
    const running = this.loading.get(name);
    if (running) return running;
    const loading = this.loadNow(issuer).finally(() => this.loading.delete(name));
    this.loading.set(name, loading);
    return loading;
  }

  private async loadNow(issuer: OcspIssuer): Promise<Kept> {
    let row = await this.rows.findNewest(this.db.single, issuer, this.clock.now());
    if (!row) {
      await this.maker.make(issuer);
      row = await this.rows.findNewest(this.db.single, issuer, this.clock.now());
    }
    if (!row?.sealedKey) throw new Problem('unavailable', 'The OCSP responder of this CA is being made.');
    const pem = this.keyRing.open(row.sealedKey, responderKeyPlace(row.secretId)).toString();
    const signer = signerOf(createPrivateKey(pem));
    const { hash, algorithmDer } = signatureAlgorithmOf(signer);
    const { der: certificateDer, spkiDer } = parseCertificate(row.certificatePem);
    const kept = {
      writer: ocspWriter({ spkiDer, signatureAlgorithm: algorithmDer, certificateDer }),
      signer,
      hash,
      notAfter: row.notAfter,
      keyHash: digestOf('sha1', publicKeyBitsOf(spkiDer), 'buffer'),
      renewAt: renewalOf(row, issuer),
      lookAtMs: performance.now() + lookAgainMs,
    };
    this.kept.set(nameOf(issuer), kept);
    return kept;
  }
}
