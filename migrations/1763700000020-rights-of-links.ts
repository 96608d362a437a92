import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Whoever has ever owned an authority is linked to what it issued. In doubt a link is the issuer's: that loses a right
 * to a key, not a key.
 */
const up = `
alter table certificate_role add column by_issuer boolean not null default false;
update certificate_role l set by_issuer = true
from certificate c, role r, authority a
where c.id = l.certificate_id and r.id = l.role_id and a.id = c.authority_id and (lower(r.name) = lower(a.owner) or exists (
  select from audit_event e where e.target_type = 'authority' and e.target_id = a.id::text and e.action = 'authority.updated' and lower(e.before->>'owner') = lower(r.name)));
alter table certificate add column owner_vouches boolean not null default false;
update certificate c set owner_vouches = true
where creator_id is null
  or exists (select from user_role u join role r on r.id = u.role_id where u.user_id = c.creator_id and lower(r.name) = lower(c.owner))
  or exists (select from audit_event e where e.target_type = 'certificate' and e.target_id = c.id::text and e.action = 'certificate.updated'
    and lower(e.before->>'owner') <> lower(e.after->>'owner'));
`;

/**
 * Which roles a certificate has only because of its issuer, and for which certificates the owner's rights count when
 * they renew.
 */
export class RightsOfLinks1763700000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'alter table certificate_role drop column by_issuer; alter table certificate drop column owner_vouches',
    );
  }
}
