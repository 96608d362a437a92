import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table challenge drop constraint challenge_type;
alter table challenge add constraint challenge_type check (type in ('http-01', 'dns-01', 'tls-alpn-01'));
`;

const down = `
delete from challenge where type = 'tls-alpn-01';
alter table challenge drop constraint challenge_type;
alter table challenge add constraint challenge_type check (type in ('http-01', 'dns-01'));
`;

/** Answers to tls-alpn-01 challenges (RFC 8737). */
export class TlsAlpnChallenges1763700000094 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
