import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * A CRL for each key of an authority: clients look for one that the issuer of the certificate has signed. The lists are
 * made anew within seconds; their numbers go on, since they follow the time.
 */
const up = `
delete from crl;
drop index crl_of_authority;
alter table crl
  add column key_id integer not null constraint crl_key references signing_key on delete cascade,
  add column key_tag text not null constraint crl_key_tag check (key_tag ~ '^[0-9a-f]{1,8}$');
create unique index crl_of_authority on crl (authority_id, key_id, coalesce(shard, -1));
create index crl_key_id on crl (key_id);
`;

const down = `
delete from crl;
drop index crl_of_authority;
alter table crl drop column key_id, drop column key_tag;
create unique index crl_of_authority on crl (authority_id, coalesce(shard, -1));
`;

export class ListsOfKeys1763700000072 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
