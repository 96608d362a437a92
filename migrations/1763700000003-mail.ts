import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
  create table key_ring_check (
    key_id     text primary key,
    canary     bytea not null,
    created_at timestamptz not null default now()
  );
  create table mail (
    id         integer generated always as identity primary key,
    recipients text[] not null,
    subject    text not null,
    text       text not null,
    html       text,
    dedupe_key text not null,
    created_at timestamptz not null default now(),
    constraint mail_has_recipient check (cardinality(recipients) > 0)
  );
  create unique index mail_dedupe_key_unique on mail (dedupe_key);`;

/** Proof that the key ring fits the database, and the mails of an installation without a mail server. */
export class Mail1763700000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table mail');
    await runner.query('drop table key_ring_check');
  }
}
