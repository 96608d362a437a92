import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { acmeTlsCertificate, acmeTlsProtocol } from '../pki/acme-tls.js';
import { generatePrivateKey } from '../pki/key.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { AlpnListener } from '../platform/net/alpn-listener.js';
import { ChallengeRepository } from './challenge.repository.js';

const dayMs = 86_400_000;

/** Shows the answers to tls-alpn-01 challenges at TLS_ALPN_LISTEN (RFC 8737), whichever process has stored them. */
@Injectable()
export class TlsAnswers implements OnApplicationShutdown {
  private listener: AlpnListener | undefined;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: ChallengeRepository,
  ) {}

  /** Does nothing without TLS_ALPN_LISTEN. Throws with a message for the operator. */
  async listen(): Promise<void> {
    const { tlsAlpnListen } = this.config;
    if (tlsAlpnListen === undefined) return;
    // It protects nothing: the CA looks at the certificate, and hangs up.
    const key = await generatePrivateKey('ECCPRIME256V1');
    const keyPem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
    this.listener = new AlpnListener(acmeTlsProtocol, async (serverName) => {
      const now = this.clock.now();
      const challenge = await this.repository.findTls(this.db.single, serverName, now);
      if (!challenge) return null;
      const [notBefore, notAfter] = [new Date(now.getTime() - dayMs), new Date(now.getTime() + dayMs)];
      const { domain: name, value } = challenge;
      const answer = { name, digest: Buffer.from(value, 'base64url'), notBefore, notAfter };
      return { key: keyPem, cert: await acmeTlsCertificate(answer, key) };
    });
    await this.listener.listen(tlsAlpnListen, 'TLS_ALPN_LISTEN');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.listener?.close();
  }
}
