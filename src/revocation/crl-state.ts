import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Authorities, type LoadedAuthority } from '../authorities/authorities.js';
import { AuthorityRepository, viewerOf } from '../authorities/authority.repository.js';
import { demandRight } from '../authorities/authority-store.js';
import { publicationOf, publicUrls, urlFor } from '../authorities/public-urls.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { enqueueCrls } from './crl.job.js';
import { type Crl, CrlRepository } from './crl.repository.js';
import { type CrlsView, crlView } from './crl.schema.js';

/**
 * The CRLs of an authority, for people. Methods throw Problem `not-found`, and `conflict` when its key is elsewhere.
 */
@Injectable()
export class CrlState {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly lists: CrlRepository,
    private readonly audit: Audit,
  ) {}

  async get(actor: Actor, id: number): Promise<CrlsView> {
    const loaded = await this.visible(actor, id);
    const { pkiUrl } = this.config;
    const publication = publicationOf(loaded);
    const lists = await this.lists.of(this.db.single, id);
    const urls = pkiUrl === undefined ? null : publicUrls(pkiUrl, loaded.authority.publicId);
    const { crl, shardedCrl, ocsp, caIssuers, delta, shardedDelta } = urls ?? {};
    const urlOf = (one: Crl, ofAll = '', ofShard = ''): string | null =>
      urls && urlFor(one.shard === null ? ofAll : ofShard, one);
    return {
      crlDistributionPoints: [...(publication?.crl ?? [])],
      ocsp: [...(publication?.ocsp ?? [])],
      caIssuers: [...(publication?.caIssuers ?? [])],
      published: urls && {
        crlDistributionPoints: (publication?.crlShards ?? 0) > 0 ? (shardedCrl ?? '') : (crl ?? ''),
        ocsp: ocsp ?? '',
        caIssuers: caIssuers ?? '',
      },
      lists: lists.map((one) => {
        const deltaUrl = publication?.deltaCrl ? urlOf(one, delta, shardedDelta) : null;
        return crlView(one, { url: urlOf(one, crl, shardedCrl), deltaUrl }, this.clock.now());
      }),
    };
  }

  /** Throws Problem `forbidden` besides. */
  async remake(actor: Actor, id: number): Promise<CrlsView> {
    const { authority, roles } = await this.visible(actor, id);
    demandRight(actor, authority, roles);
    await this.db.write(async (tx) => {
      await enqueueCrls(tx, await this.lists.of(tx, id));
      await this.audit.record(tx, actor, { action: 'authority.crl-remade', targetType: 'authority', targetId: id });
    });
    return this.get(actor, id);
  }

  private async visible(actor: Actor, id: number): Promise<LoadedAuthority> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    const loaded = await this.authorities.get(id);
    if (loaded.authority.keyId !== null) return loaded;
    throw new Problem('conflict', `Authority ${loaded.authority.name} has its key elsewhere, and its CRL with it.`);
  }
}
