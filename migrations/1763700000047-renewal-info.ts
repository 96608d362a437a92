import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table renewal_info (
  certificate_id integer primary key constraint renewal_info_certificate references certificate on delete cascade,
  ask_at timestamptz,
  window_start timestamptz,
  window_end timestamptz,
  suggested_at timestamptz,
  explanation_url text,
  constraint renewal_info_window check (
    (window_start is null) = (suggested_at is null) and (window_end is null) = (suggested_at is null))
);
create index renewal_info_due on renewal_info (ask_at) where ask_at is not null;
-- Issuers behind a network leave an order row; whether they have renewal information they are asked.
insert into renewal_info (certificate_id, ask_at)
  select c.id, now() from certificate c where c.state = 'issued' and c.order_ref is not null;
`;

/** When the CA of a certificate suggests to renew it (RFC 9773), and when it is asked again. */
export class RenewalInfo1763700000047 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table renewal_info');
  }
}
