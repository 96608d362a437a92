import { Injectable } from '@nestjs/common';
import { type AuthorityNode, AuthorityReader } from '../../authorities/authority-reader.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateFinder } from '../list/certificate-finder.js';

/** A name and what hangs below it; a certificate has nothing below it. */
export interface TreeNode {
  name: string;
  children?: TreeNode[];
}

/** How many authorities a tree shows, and how many certificates of each: a CA may have a million. */
const mostAuthorities = 200;
const mostCertificates = 200;

/** The certificates of an authority and of those below it as a tree, the newest first. */
@Injectable()
export class VisualizeService {
  constructor(
    private readonly authorities: AuthorityReader,
    private readonly certificates: CertificateFinder,
  ) {}

  /** Throws Problem `not-found`, also for an authority that the actor may not know of. */
  async tree(actor: Actor, id: number): Promise<TreeNode> {
    const family = await this.authorities.family(actor, id, mostAuthorities);
    const leaves = await this.certificates.newestOfAuthorities(
      family.map((one) => one.id),
      mostCertificates,
    );
    const nodeOf = (one: AuthorityNode): TreeNode => ({
      name: one.name,
      children: [
        ...family.filter(({ parentId }) => parentId === one.id).map(nodeOf),
        ...leavesOf(leaves.get(one.id) ?? []),
      ],
    });
    return nodeOf(family.find((one) => one.id === id) ?? { id, name: '', parentId: null });
  }
}

/** One more than is shown has been read: then the last says that there are others. */
function leavesOf(names: readonly string[]): TreeNode[] {
  const shown = names.slice(0, mostCertificates).map((name) => ({ name }));
  return names.length > shown.length ? [...shown, { name: '… and older ones' }] : shown;
}
