import { Injectable } from '@nestjs/common';
import { type AuthorityNode, AuthorityReader } from '../../authorities/authority-reader.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateFinder } from '../list/certificate-finder.js';

/** An authority with its subordinate authorities and certificates, or a certificate, which has no children. */
export interface TreeNode {
  name: string;
  children?: TreeNode[];
}

/** Bounds of a tree: authorities, and certificates of each authority. */
const mostAuthorities = 200;
const mostCertificates = 200;

/** Builds the tree of an authority, its subordinate authorities, and their certificates, newest first. */
@Injectable()
export class VisualizeService {
  constructor(
    private readonly authorities: AuthorityReader,
    private readonly certificates: CertificateFinder,
  ) {}

  /** Throws Problem `not-found`, also for an authority that the actor may not see. */
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

/** `names` has one more than `mostCertificates` if the authority has more; a last entry then says so. */
function leavesOf(names: readonly string[]): TreeNode[] {
  const shown = names.slice(0, mostCertificates).map((name) => ({ name }));
  return names.length > shown.length ? [...shown, { name: '… and older ones' }] : shown;
}
