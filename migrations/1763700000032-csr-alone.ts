import type { MigrationInterface, QueryRunner } from 'typeorm';

// Text that stood beside a CSR was kept with it, a private key among it, and shown to everybody who is signed in.
const up = `
update certificate set csr_pem = substring(csr_pem from
  '-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\\s]*-----END (?:NEW )?CERTIFICATE REQUEST-----') || E'\\n'
 where csr_pem like '%PRIVATE KEY-----%';
`;

/** Removes private keys that were stored as text beside a CSR. There is no way back: what was removed is gone. */
export class CsrAlone1763700000032 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(): Promise<void> {}
}
