import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table crl_part (
  crl_id integer not null constraint crl_part_crl references crl on delete cascade,
  delta boolean not null,
  part integer not null constraint crl_part_number check (part >= 0),
  der bytea not null,
  primary key (crl_id, delta, part)
);
comment on table crl_part is 'the octets of the complete and the delta list, in parts of 1 MiB from part 0 on';
alter table crl_part alter column der set storage external;
insert into crl_part (crl_id, delta, part, der)
  select id, delta, part, substring(list from part * 1048576 + 1 for 1048576)
  from crl cross join lateral (values (false, der), (true, delta_der)) as lists(delta, list)
    cross join lateral generate_series(0, (octet_length(list) - 1) / 1048576) as part;
alter table crl
  add column octets integer,
  add column delta_octets integer;
update crl set octets = octet_length(der), delta_octets = octet_length(delta_der);
alter table crl
  drop constraint crl_made,
  drop column der,
  drop column delta_der,
  add constraint crl_made check (num_nulls(number, base_number, base_at, this_update, next_update, octets) in (0, 6));
`;

const down = `
alter table crl
  add column der bytea,
  add column delta_der bytea;
alter table crl alter column der set storage external, alter column delta_der set storage external;
update crl set
  der = (select string_agg(p.der, '' order by part) from crl_part p where crl_id = crl.id and not delta),
  delta_der = (select string_agg(p.der, '' order by part) from crl_part p where crl_id = crl.id and delta);
alter table crl
  drop constraint crl_made,
  drop column octets,
  drop column delta_octets,
  add constraint crl_made check (num_nulls(number, base_number, base_at, this_update, next_update, der) in (0, 6));
drop table crl_part;
`;

/** CRLs are stored in parts, so that no statement has a whole one in it. */
export class CrlParts1763700000095 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
