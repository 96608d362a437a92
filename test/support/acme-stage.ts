import { X509Certificate } from 'node:crypto';
import type { Json } from './json.js';
import { startNamed, type TestNamed } from './named.js';
import { freePort } from './own-server.js';
import { eventually, startProgram, type TestProgram } from './program.js';

const issueMs = 90_000;

/** What of an ACME server an authority is made of. */
export interface AcmeCa {
  directoryUrl: string;
  /** PEM of the CA that its server certificate is from. */
  caPem: string;
}

/** The program and a BIND for the zone `example.test`, in which every name leads to this machine. */
export class AcmeStage {
  private constructor(
    readonly program: TestProgram,
    readonly named: TestNamed,
    /** Where the program shows answers to tls-alpn-01 challenges. */
    readonly tlsPort: number,
  ) {}

  static async open(records: readonly string[] = []): Promise<AcmeStage> {
    const named = await startNamed(['example.test'], undefined, ['* IN A 127.0.0.1', ...records]);
    const tlsPort = await freePort();
    const program = await startProgram({
      PORT: String(await freePort()),
      ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
      DNS_RESOLVERS: `127.0.0.1:${named.port}`,
      DNS_PROPAGATION_CHECK: 'resolvers',
      TLS_ALPN_LISTEN: `127.0.0.1:${tlsPort}`,
    });
    return new AcmeStage(program, named, tlsPort);
  }

  async close(): Promise<void> {
    await this.program.stop();
    await this.named.remove();
  }

  get dnsServer(): string {
    return `127.0.0.1:${this.named.port}`;
  }

  get httpPort(): number {
    return Number(new URL(this.program.url).port);
  }

  async authority(name: string, ca: AcmeCa, options: object, chain: string): Promise<void> {
    const given = {
      directoryUrl: ca.directoryUrl,
      caCertificates: ca.caPem,
      termsOfServiceAgreed: true,
      contacts: ['team@example.com'],
      ...options,
    };
    await this.program.ok('POST', '/authorities', {
      name,
      owner: 'team@example.com',
      chain,
      plugin: { id: 'acme', options: given },
    });
  }

  async dnsProvider(): Promise<number> {
    const options = {
      server: '127.0.0.1',
      port: this.named.port,
      zones: ['example.test'],
      keyName: 'updater',
      keySecret: this.named.keySecret,
    };
    const made = await this.program.ok('POST', '/dns_providers', { name: 'bind', plugin: { id: 'rfc2136', options } });
    return made.id;
  }

  /** The id of the certificate. */
  async order(authority: string, commonName: string, more: object = {}): Promise<number> {
    const { id } = await this.program.ok('POST', '/certificates', {
      owner: 'team@example.com',
      authority: { name: authority },
      commonName,
      validityDays: 90,
      ...more,
    });
    return id;
  }

  /** The certificate once it is issued; throws with what the order says when it has failed. */
  issued(id: number): Promise<Json> {
    return eventually(async () => {
      const certificate = await this.program.ok('GET', `/certificates/${id}`);
      if (certificate.lifecycle === 'failed') throw new Error(JSON.stringify(certificate.order));
      return certificate.lifecycle === 'issued' ? certificate : null;
    }, issueMs);
  }

  /** What the order says once it has failed. */
  failed(id: number): Promise<string> {
    return eventually(async () => {
      const certificate = await this.program.ok('GET', `/certificates/${id}`);
      return certificate.lifecycle === 'failed' ? (certificate.order.detail as string) : null;
    }, issueMs);
  }

  /** Its successor, issued. */
  async renewed(certificate: Json): Promise<Json> {
    const { id } = await this.program.ok('POST', `/certificates/${certificate.id}/rotate`, {});
    return this.issued(id ?? certificate.id + 1);
  }

  /** Once the CA has confirmed the revocation. */
  async revokedAtCa(id: number): Promise<void> {
    await eventually(async () => {
      const { withdrawals } = await this.program.ok('GET', `/certificates/${id}`);
      const last = withdrawals.at(-1);
      if (last?.state === 'given-up') throw new Error(JSON.stringify(last));
      return last?.state === 'done';
    });
  }

  /** Once every answer to a challenge is removed. */
  async noAnswers(): Promise<void> {
    await eventually(async () => {
      const rows: unknown[] = await this.program.database.source.query('select id from challenge');
      return rows.length === 0;
    });
  }

  /** The SANs, sorted. */
  names({ body }: Json): string[] {
    return (new X509Certificate(body as string).subjectAltName ?? '').split(', ').sort();
  }
}
