import { Injectable } from '@nestjs/common';
import { isSelfIssued, type ParsedCertificate, parseCertificate } from '../pki/certificate.js';
import { ExtensionOid } from '../pki/extensions.js';
import { issuerKeyIdentifier } from '../pki/issuer-key.js';
import type { CreateAuthorityRequest } from '../plugin-api/issuer.js';
import { Clock } from '../platform/clock.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type KeyRef, KeyStore } from '../platform/keys/key-store.js';
import { Authorities, demandActive, type LoadedAuthority } from './authorities.js';
import { AuthorityCsrs } from './authority-csrs.js';
import type { NewIssuers } from './authority-issuer.repository.js';
import { AuthorityIssuers } from './authority-issuers.js';
import type { RenewAuthority } from './authority-issuer.schema.js';
import { AuthorityParents } from './authority-parents.js';
import { CaCertificates } from './ca-certificates.js';
import type { CaChain } from './ca-chain.js';
import { newKeyOf, validityOf } from './ca-request.js';

/** Extensions that a CA keeps when it is renewed, besides those that every CA certificate gets anew. */
const kept: ReadonlySet<string> = new Set([
  ExtensionOid.nameConstraints,
  ExtensionOid.policyConstraints,
  ExtensionOid.inhibitAnyPolicy,
  ExtensionOid.extendedKeyUsage,
]);

/**
 * Makes another certificate for an authority whose key is here: signed by its parent or by itself, for the same key or
 * a new one, with which it issues from then on; or signed by another authority, for the same key, as an alternate
 * chain.
 */
@Injectable()
export class AuthorityRenewal {
  constructor(
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly issuers: AuthorityIssuers,
    private readonly parents: AuthorityParents,
    private readonly certificates: CaCertificates,
    private readonly keys: KeyStore,
    private readonly csrs: AuthorityCsrs,
  ) {}

  /**
   * Throws PluginError, and Problem `not-found`, `forbidden`, `conflict`,
   * `authority-inactive` or `invalid-request`.
   */
  async renew(actor: Actor, id: number, request: RenewAuthority): Promise<void> {
    await this.issuers.demandChange(actor, id);
    const loaded = await this.authorities.get(id);
    const { authority } = loaded;
    demandActive(authority);
    if (authority.keyId === null)
      throw new Problem('conflict', `The key of authority ${authority.name} is not here: renew it there.`);
    const parent = await this.signerOf(actor, loaded, request);
    if (!request.newKey) return this.certify(actor, loaded, request, { ref: authority.keyId, parent });
    const { ref } = await this.keys.create(await newKeyOf(authority, request, actor, this.keys));
    try {
      await this.certify(actor, loaded, request, { ref, parent });
    } catch (error) {
      // The database refuses to delete the key if it was stored with a certificate after all.
      await this.keys.forget(ref).catch(() => undefined);
      throw error;
    }
  }

  /** Who signs; null: the authority itself, with the key that the certificate is for. */
  private async signerOf(
    actor: Actor,
    { authority }: LoadedAuthority,
    { parent }: RenewAuthority,
  ): Promise<LoadedAuthority | null> {
    if (parent) {
      const other = await this.parents.get(actor, parent);
      if (other.authority.id === authority.id || other.above.some(({ id }) => id === authority.id))
        throw invalid('parent', 'An authority is not signed by itself, nor by one below it.');
      return other;
    }
    if (authority.parentId !== null) return this.parents.get(actor, { id: authority.parentId });
    if (isSelfIssued(parseCertificate(authority.certificatePem))) return null;
    throw new Problem(
      'conflict',
      `Authority ${authority.name} was signed by a CA that is not here: have that sign a CSR.`,
    );
  }

  private async certify(
    actor: Actor,
    { plugin, authority }: LoadedAuthority,
    request: RenewAuthority,
    { ref, parent }: { ref: KeyRef; parent: LoadedAuthority | null },
  ): Promise<void> {
    const content = this.contentOf(parseCertificate(authority.certificatePem), request, parent);
    const asked = { ...content, signer: await this.keys.signerFor(ref) };
    const chain: CaChain = await this.certificates.make(plugin, authority, asked, parent);
    const added: NewIssuers & { keyId: KeyRef } = {
      chains: [chain],
      origin: request.parent ? 'cross-signed' : 'renewed',
      keyId: ref,
      signerId: request.parent ? (parent?.authority.id ?? null) : null,
    };
    await this.csrs.droppingEarlier(actor, authority.id, ref, (drop) =>
      this.issuers.renewed(actor, authority, added, drop),
    );
  }

  private contentOf(
    old: ParsedCertificate,
    request: RenewAuthority,
    parent: LoadedAuthority | null,
  ): Omit<CreateAuthorityRequest, 'signer' | 'parent' | 'parentPublication'> {
    const lengthMs = old.notAfter.getTime() - old.notBefore.getTime();
    const highest = parent?.authority.pathLength == null ? undefined : parent.authority.pathLength - 1;
    const lengths = [old.pathLength, highest].filter((length) => length !== undefined);
    return {
      subject: old.subjectFields,
      subjectDer: old.subjectDer,
      ...validityOf(request, lengthMs, parent?.authority ?? null, this.clock.now()),
      ...(lengths.length > 0 && { pathLength: Math.max(0, Math.min(...lengths)) }),
      // What was issued before names the key so, and so do the addresses in it.
      ...(!request.newKey && { keyIdentifier: issuerKeyIdentifier(old) }),
      extensions: old.extensions.filter(({ oid }) => kept.has(oid)),
      isRenewal: true,
    };
  }
}
