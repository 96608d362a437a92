import { Injectable } from '@nestjs/common';
import { AuthorityReader } from '../../authorities/authority-reader.js';
import { AuthorityQuery, type AuthorityView, CreateAuthority } from '../../authorities/authority.schema.js';
import { AuthorityService } from '../../authorities/authority.service.js';
import { parseDn } from '../../pki/dn-text.js';
import { encodeSubject, fieldsOf } from '../../pki/names.js';
import { blame } from '../../platform/http/blame.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { validate } from '../../platform/http/validate.js';
import type { SubjectFields } from '../../plugin-api/terms.js';
import type { CaCreate } from './ca.schema.js';
import { refusal } from './fast-api-error.js';
import { ownerFor } from '../../roles/team.js';

const pageSize = 1000;
const defaultKeySize = 4096;
/** Of a root; a CA below another one ends with it at the latest. */
const defaultRootDays = 3650;

/** The authorities that a user may see, as the CAs of FastPKI. */
@Injectable()
export class Cas {
  constructor(
    private readonly reader: AuthorityReader,
    private readonly authorities: AuthorityService,
  ) {}

  /** In order of id. */
  async all(actor: Actor): Promise<AuthorityView[]> {
    const all: AuthorityView[] = [];
    for (let page = 1; ; page++) {
      const query = { page: String(page), count: String(pageSize), sortBy: 'id', sortDir: 'asc' };
      const { items } = await this.reader.list(actor, AuthorityQuery.parse(query));
      all.push(...items);
      if (items.length < pageSize) return all;
    }
  }

  /** Throws Problem `not-found`, also when the actor may not see it. */
  get(actor: Actor, id: number): Promise<AuthorityView> {
    return this.reader.see(actor, id);
  }

  /** The CA and those above it that the actor sees, up to the root. Throws as `get`. */
  async chain(actor: Actor, id: number): Promise<AuthorityView[]> {
    const chain = [await this.get(actor, id)];
    for (let above = chain[0]?.parentId; above != null && (await this.reader.sees(actor, above));) {
      const parent = await this.get(actor, above);
      chain.push(parent);
      above = parent.parentId;
    }
    return chain;
  }

  /** The CAs directly below this one that the actor sees. Throws as `get`. */
  async children(actor: Actor, id: number): Promise<AuthorityView[]> {
    await this.get(actor, id);
    return (await this.all(actor)).filter(({ parentId }) => parentId === id);
  }

  /** The id of the CA that a request names. Throws Problem `not-found`, also when the actor may not see it. */
  async idOf(actor: Actor, { caId, caName }: { caId?: number | null; caName?: string | null }): Promise<number> {
    if (caId != null) {
      if (await this.reader.sees(actor, caId)) return caId;
      throw new Problem('not-found', `There is no CA ${caId}.`);
    }
    const query = { filter: `name;"${caName ?? ''}"`, count: '1' };
    const [found] = (await this.reader.list(actor, AuthorityQuery.parse(query))).items;
    if (!found) throw new Problem('not-found', `There is no CA ${caName ?? ''}.`);
    return found.id;
  }

  /** Who owns what a user makes below this CA: see `ownerFor`, else the owner of the CA. Throws Problem. */
  async ownerFor(actor: Actor, caId: number | null): Promise<string> {
    const owner = ownerFor(actor);
    if (owner !== null) return owner;
    if (caId !== null && (await this.reader.sees(actor, caId))) return (await this.get(actor, caId)).owner;
    throw refusal(`Nobody would own it: give ${actor.username} a role that is named as the e-mail address of a team.`);
  }

  /** Throws Problem as AuthorityService. */
  async create(actor: Actor, body: CaCreate): Promise<AuthorityView> {
    demandServed(body);
    const { name, description, keySize, validDays, parentCaId } = body;
    const request = validate(CreateAuthority, {
      name,
      owner: await this.ownerFor(actor, parentCaId ?? null),
      description,
      ...blame('subjectDn', () => subjectOf(body.subjectDn)),
      keyType: `RSA${keySize ?? defaultKeySize}`,
      ...(parentCaId == null ? { validityDays: defaultRootDays } : { type: 'subca', parent: { id: parentCaId } }),
      ...(validDays != null && { validityDays: validDays }),
      pathLength: body.pathLength ?? (await this.usualPathLength(actor, parentCaId)),
    });
    return this.authorities.create(actor, request);
  }

  /** One less than that of the parent, as in FastPKI. */
  private async usualPathLength(actor: Actor, parentId: number | null | undefined): Promise<number | undefined> {
    if (parentId == null || !(await this.reader.sees(actor, parentId))) return undefined;
    const { pathLength } = (await this.get(actor, parentId)).authorityCertificate;
    return pathLength === null || pathLength === 0 ? undefined : pathLength - 1;
  }
}

/** The members of a request are honoured or refused. */
function demandServed({ allowLeafCerts, crlBaseUrl }: CaCreate): void {
  if (allowLeafCerts === false) throw refusal('allow_leaf_certs: make the CA inactive once those below it are made.');
  if (crlBaseUrl != null) throw refusal('crl_base_url: addresses of CRLs follow from PKI_URL; leave it out.');
}

function subjectOf(text: string): SubjectFields {
  const { der, name } = parseDn(text);
  const subject = fieldsOf(name);
  if (encodeSubject(subject).equals(der)) return subject;
  throw refusal('subject_dn of a CA has CN, OU, O, L, ST and C in this order, each at most once.');
}
