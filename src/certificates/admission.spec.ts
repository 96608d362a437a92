import { describe, expect, it } from 'vitest';
import type { Authorities, LoadedAuthority } from '../authorities/authorities.js';
import type { DomainRuleRepository } from '../domains/domain-rule.repository.js';
import { DomainPolicy } from '../domains/domain-policy.js';
import type { Clock } from '../platform/clock.js';
import type { Config } from '../platform/config.js';
import type { Database } from '../platform/db/database.js';
import { type Actor, systemActor } from '../platform/http/actor.js';
import type { AccountRepository } from '../roles/account.repository.js';
import type { RoleRepository } from '../roles/role.repository.js';
import { Admission } from './admission.js';
import type { Certificate } from './certificate.entity.js';
import { storeTerms, type TermsWithoutDates } from './terms.js';

const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const ocspSigning = '1.3.6.1.5.5.7.3.9';
const db = { single: {} } as unknown as Database;
const policy = new DomainPolicy(
  db,
  { now: () => new Date(0) } as unknown as Clock,
  {
    reservedSubjects: ['O=system:masters'],
    allowedDomains: ['example.com'],
    sensitiveDomainRoles: [],
  } as unknown as Config,
  {
    policy: () => Promise.resolve({ version: 1, sensitive: [], rules: [] }),
    version: () => Promise.resolve(1),
  } as unknown as DomainRuleRepository,
);
const creator = { username: 'joe', active: true, roles: [{ id: 7, name: 'web-team', permissions: [] }] };
const admission = new Admission(
  db,
  policy,
  { find: () => Promise.resolve(creator) } as unknown as AccountRepository,
  { findByName: () => Promise.resolve([]) } as unknown as RoleRepository,
  {} as Authorities,
);
const authority = { authority: { id: 1, isPrivate: false }, above: [] } as unknown as LoadedAuthority;
const program = systemActor('test');
const user = { ...program, userId: 5, roles: creator.roles } as Actor;
const admin = { ...program, userId: 1 } as Actor;

const plain: TermsWithoutDates = {
  subject: { commonName: 'example.com', organization: 'system:masters' },
  subjectAltNames: [],
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: [serverAuth],
  extensions: [],
};
const granted: TermsWithoutDates = { ...plain, beyondPolicy: true };

/** The answer to a renewal with `changes` against `old`: `renewed`, or the detail of the refusal. */
async function verdict(actor: Actor, old: TermsWithoutDates, changes: Partial<TermsWithoutDates>): Promise<string> {
  const certificate = { id: 3, owner: 'web', vouchingRole: null, creatorId: 5, bodyPem: null, terms: storeTerms(old) };
  return admission.ofRenewal(actor, certificate as unknown as Certificate, authority, { ...old, ...changes }).then(
    () => 'renewed',
    (error: { detail: string }) => error.detail,
  );
}

const reserved = 'Only an administrator may request a client certificate with the subject O=system:masters';
const more: [what: string, old: TermsWithoutDates, changes: Partial<TermsWithoutDates>, why: string][] = [
  ['client authentication', plain, { extendedKeyUsage: [serverAuth, clientAuth] }, reserved],
  ['every usage', plain, { extendedKeyUsage: [] }, reserved],
  ['client authentication beside names beyond the policy', granted, { extendedKeyUsage: [clientAuth] }, reserved],
  [
    'a usage that nobody may request',
    granted,
    { extendedKeyUsage: [serverAuth, ocspSigning] },
    'Only an administrator',
  ],
  [
    'a reserved subject',
    { ...plain, subject: { commonName: 'example.com' }, extendedKeyUsage: [clientAuth] },
    { subject: plain.subject },
    reserved,
  ],
  [
    'a name',
    granted,
    { subjectAltNames: [{ type: 'dns', value: 'evil.org' }] },
    'Domain evil.org does not match allowed domain patterns',
  ],
];

describe('a renewal with terms that its profile has changed', () => {
  it.each(more)('gets %s only as a new certificate would', async (_, old, changes, why) => {
    for (const actor of [program, user]) expect(await verdict(actor, old, changes)).toContain(why);
    expect(await verdict(admin, old, changes)).toBe('renewed');
  });

  it('keeps, in any order, and loses what it was granted', async () => {
    const old = {
      ...granted,
      subject: { commonName: 'evil.org', organization: 'system:masters' },
      extendedKeyUsage: [clientAuth, serverAuth, ocspSigning],
    };
    for (const extendedKeyUsage of [[ocspSigning, serverAuth, clientAuth], [clientAuth], [serverAuth]])
      for (const actor of [program, user]) expect(await verdict(actor, old, { extendedKeyUsage })).toBe('renewed');
  });
});
