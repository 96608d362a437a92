import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Leases } from '../../jobs/lease.js';
import { Periodic } from '../../jobs/periodic.js';
import type { TaskReport } from '../../jobs/task-report.js';
import { responderCertificate } from '../../pki/ocsp-responder.js';
import { toPem } from '../../pki/pem.js';
import { newSerial, serialHexOf } from '../../pki/serial.js';
import { signerOf } from '../../pki/sign.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { KeyMaker, privateKeyPem } from '../../platform/key-maker.js';
import { KeyStore } from '../../platform/keys/key-store.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import { type OcspIssuer, OcspIssuers } from './ocsp-issuers.js';
import { type OcspResponder, responderKeyPlace } from './ocsp-responder.entity.js';
import { type CaKey, OcspResponderRepository } from './ocsp-responder.repository.js';

const hourMs = 3_600_000;
/** How long a delegated certificate is valid. */
export const responderValidityMs = 4 * 24 * hourMs;
/** Clients whose clocks are slow accept a new certificate too. */
const backdatedMs = hourMs;
const tickS = 600;
const leaseS = 30;

/** Makes certificates with which OCSP responses are signed. Nothing else here uses the key of the CA. */
@Injectable()
export class OcspResponderMaker {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly rows: OcspResponderRepository,
    private readonly keyStore: KeyStore,
    private readonly keys: KeyMaker,
    private readonly keyRing: KeyRing,
    private readonly leases: Leases,
    private readonly audit: Audit,
  ) {}

  /**
   * Makes a certificate unless there is one that is not due for renewal, or another process makes it now. Throws what
   * the KeyStore throws when the key of the CA cannot be used.
   */
  async make(issuer: OcspIssuer): Promise<void> {
    await this.leases.withLease(`ocsp-responder:${nameOf(issuer)}`, leaseS, async () => {
      const newest = await this.rows.findNewest(this.db.single, issuer, this.clock.now());
      if (newest && this.clock.now() < renewalOf(newest, issuer)) return;
      await this.store(await this.made(issuer));
    });
  }

  private async made(issuer: OcspIssuer): Promise<Omit<OcspResponder, 'id'>> {
    const { authorityId, caSpkiSha256, certificate: ca, keyId } = issuer;
    const caSigner = await this.keyStore.signerFor(keyId);
    // The algorithm of the CA, which its clients know. 2048 bits are enough for a few days, and four times as fast.
    const privateKey = await this.keys.make(caSigner.keyType === 'rsa' ? 'RSA2048' : ca.keyType, 0);
    const [now, secretId] = [this.clock.now().getTime(), randomUUID()];
    const period = {
      notBefore: new Date(Math.max(now - backdatedMs, ca.notBefore.getTime())),
      notAfter: new Date(Math.min(now + responderValidityMs, ca.notAfter.getTime())),
    };
    const serial = newSerial();
    const der = await responderCertificate({ ca, caSigner, spkiDer: signerOf(privateKey).spkiDer, serial, ...period });
    return {
      authorityId,
      caSpkiSha256,
      serialHex: serialHexOf(BigInt(`0x${serial.toString('hex')}`)),
      certificatePem: toPem('CERTIFICATE', der),
      secretId,
      sealedKey: this.keyRing.seal(privateKeyPem(privateKey), responderKeyPlace(secretId)),
      ...period,
      createdAt: new Date(now),
    };
  }

  private store(responder: Omit<OcspResponder, 'id'>): Promise<void> {
    const { authorityId, serialHex, notAfter } = responder;
    return this.db.write(async (tx) => {
      await this.rows.add(tx, responder);
      await this.audit.record(tx, systemActor('ocsp'), {
        action: 'authority.ocsp-responder-issued',
        targetType: 'authority',
        targetId: authorityId,
        after: { serial: serialHex, notAfter },
      });
    });
  }
}

/** Renews the responder certificates of all authorities that have been asked, disabled ones too. */
@Injectable()
export class OcspResponderSweep implements OnModuleInit {
  private readonly log = new Logger('OCSP');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly rows: OcspResponderRepository,
    private readonly issuers: OcspIssuers,
    private readonly maker: OcspResponderMaker,
    private readonly periodic: Periodic,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('revocation.ocsp-responders', tickS, (signal, report) => this.sweep(signal, report));
  }

  /** Also destroys the keys of certificates that have expired. */
  async sweep(signal: AbortSignal, report: TaskReport): Promise<void> {
    await this.rows.forgetKeys(this.db.single, this.clock.now());
    const used = new Set((await this.rows.usedKeys(this.db.single)).map(nameOf));
    for (const issuer of await this.issuers.all()) {
      if (signal.aborted) return;
      if (!used.has(nameOf(issuer)) || issuer.certificate.notAfter <= this.clock.now()) continue;
      // Responses are signed with the present certificate until it expires: one failure costs nothing yet.
      await this.maker.make(issuer).catch((error: unknown) => {
        this.log.error(`The OCSP responder of authority ${issuer.authorityId} was not renewed.`, error);
        report.failed(`authority ${issuer.authorityId}`, error);
      });
      report.count('authorities');
    }
  }
}

/** When it is due: after half its life; never when a new one would not expire later. */
export function renewalOf(
  { notBefore, notAfter }: Pick<OcspResponder, 'notBefore' | 'notAfter'>,
  issuer: OcspIssuer,
): Date {
  if (notAfter.getTime() >= issuer.certificate.notAfter.getTime()) return notAfter;
  return new Date((notBefore.getTime() + notAfter.getTime()) / 2);
}

/** Names a key of an authority in one text. */
export function nameOf({ authorityId, caSpkiSha256 }: CaKey): string {
  return `${authorityId}:${caSpkiSha256}`;
}
