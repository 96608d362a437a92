import type { MigrationInterface, QueryRunner } from 'typeorm';

const ofOwner = `lower(r.name) = lower(c.owner)
  and lower(r.name) not in ('admin', 'operator', 'read-only', 'auditor', 'global_cert_issuer', 'creator')`;

// No index: only the deletion of a role reads certificates by it.
const up = `
alter table certificate add column issuer_role_id integer
  constraint certificate_issuer_role references role on delete set null;
update certificate c set issuer_role_id = l.role_id
  from (select certificate_id, min(role_id) as role_id from certificate_role where by_issuer group by 1) l
  where c.id = l.certificate_id;
delete from certificate_role where by_issuer;
delete from certificate_role l using certificate c, role r
  where c.id = l.certificate_id and r.id = l.role_id and ${ofOwner};
alter table certificate_role drop column by_issuer;
`;

const down = `
alter table certificate_role add column by_issuer boolean not null default false;
insert into certificate_role (certificate_id, role_id, by_issuer)
  select id, issuer_role_id, true from certificate where issuer_role_id is not null on conflict do nothing;
insert into certificate_role (certificate_id, role_id)
  select c.id, r.id from certificate c join role r on ${ofOwner} on conflict do nothing;
alter table certificate drop column issuer_role_id;
`;

/** The roles of a certificate's owner and of its authority's owner follow from its row; only listed ones are links. */
export class RolesOfFacts1763700000053 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
