import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
-- The authority that has signed a cross-certificate: it can revoke it, and is not deleted meanwhile.
alter table authority_issuer add column signer_id integer constraint authority_issuer_signer references authority;
create index authority_issuer_signer_id on authority_issuer (signer_id) where signer_id is not null;
update authority_issuer i set signer_id = (
  select min(s.id) from (select id, certificate_pem from authority
    union all select authority_id, certificate_pem from authority_issuer) s
  where s.certificate_pem = i.chain_pem[1] and s.id <> i.authority_id)
where origin = 'cross-signed';
-- The certificate for a key that waits may be on its way.
alter table authority_csr drop constraint authority_csr_authority;
alter table authority_csr add constraint authority_csr_authority foreign key (authority_id) references authority;
`;

const down = `
alter table authority_issuer drop column signer_id;
alter table authority_csr drop constraint authority_csr_authority;
alter table authority_csr add constraint authority_csr_authority
  foreign key (authority_id) references authority on delete cascade;
`;

/** Cross-certificates that an authority has signed, and keys that wait for their certificate, keep it from deletion. */
export class WhatKeepsAuthorities1763700000088 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
