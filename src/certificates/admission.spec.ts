import { describe, expect, it } from 'vitest';
import type { Authorities, LoadedAuthority } from '../authorities/authorities.js';
import type { DomainRuleRepository } from '../domains/domain-rule.repository.js';
import { DomainPolicy } from '../domains/domain-policy.js';
import type { Config } from '../platform/config.js';
import type { Database } from '../platform/db/database.js';
import { type Actor, systemActor } from '../platform/http/actor.js';
import type { KnownProfiles, UsedProfile } from '../profiles/known-profiles.js';
import type { ProfileRules } from '../profiles/profile-rules.schema.js';
import type { AccountRepository } from '../roles/account.repository.js';
import type { RoleRepository } from '../roles/role.repository.js';
import { Admission } from './admission.js';
import type { Certificate } from './certificate.entity.js';
import { Approval } from './issue/approval.js';
import type { IssueCommand } from './issue/issue-command.js';
import type { KeyRules } from './issue/key-rules.js';
import { Profiling } from './issue/profiling.js';
import type { RelationRights } from './relation-rights.js';
import type { Relations } from './relations.js';
import { storeTerms, type TermsWithoutDates } from './terms.js';

const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const ocspSigning = '1.3.6.1.5.5.7.3.9';
const db = { single: {} } as unknown as Database;
const policy = new DomainPolicy(
  db,
  { now: () => new Date(0) },
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
  { findMany: () => Promise.resolve([creator]) } as unknown as AccountRepository,
  { findByName: () => Promise.resolve([]) } as unknown as RoleRepository,
  { get: () => Promise.resolve(authority) } as unknown as Authorities,
);
const year = { notBefore: new Date(0), notAfter: new Date(365 * 86_400_000) };
const authority = {
  authority: { id: 1, isPrivate: false, active: true, ...year },
  limits: {},
  above: [],
} as unknown as LoadedAuthority;
const program = systemActor('test');
const user = { ...program, userId: 5, roles: creator.roles } as Actor;
const admin = { ...program, userId: 1 };

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
  const certificate = {
    ...{ id: 3, owner: 'web', vouchingRole: null, creatorId: 5, authorityId: 1, bodyPem: null },
    terms: storeTerms(old),
  };
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

describe('a new version of a profile', () => {
  const month = { notBefore: new Date(0), notAfter: new Date(30 * 86_400_000) };
  const version = (number: number, rules: ProfileRules): UsedProfile => ({
    id: 9,
    name: 'own',
    version: number,
    rules,
  });
  const always = (...usages: string[]): ProfileRules => ({ extendedKeyUsage: { always: usages, onRequest: [] } });

  /** What renews a certificate of version 1 when version 2 has these rules. */
  function renewal(old: TermsWithoutDates, rules: ProfileRules) {
    const profiles = {
      newest: () => Promise.resolve(version(2, rules)),
      version: () => Promise.resolve(version(1, always(...old.extendedKeyUsage))),
    };
    const profiling = new Profiling(profiles as unknown as KnownProfiles, admission);
    const approval = new Approval(
      { defaultValidityDays: 30, allowWeekendExpiration: true } as unknown as Config,
      { now: () => new Date(86_400_000) },
      admission,
      {} as unknown as KeyRules,
      profiling,
      { ofSuccessor: () => Promise.resolve({}) } as unknown as Relations,
      {} as unknown as RelationRights,
    );
    const certificate = {
      ...{ id: 3, owner: 'web', vouchingRole: null, creatorId: 5, bodyPem: null, keyType: 'ECCPRIME256V1', ...month },
      ...{ authorityId: 1, profileId: 9, profileVersion: 1, terms: storeTerms(old) },
    } as unknown as Certificate;
    return {
      approve: (actor: Actor) =>
        approval.of({ actor, key: {}, renews: { old: certificate, links: {} } } as unknown as IssueCommand, authority),
      outlook: async () => {
        const { profile, terms } = await profiling.outlook(certificate);
        return { profile, rights: await admission.outlook(certificate, terms) };
      },
    };
  }

  const beyond: TermsWithoutDates = { ...granted, subject: { commonName: 'evil.org' } };
  it.each([
    ['a usage that nobody may request', plain, [serverAuth, ocspSigning]],
    ['the same beside names beyond the policy', beyond, [serverAuth, ocspSigning]],
    ['client authentication for a reserved subject', plain, [serverAuth, clientAuth]],
  ])('that adds %s holds renewals at the version before', async (_, old, usages) => {
    const { approve, outlook } = renewal(old, always(...usages));
    for (const actor of [program, user]) {
      const { profile, held, terms } = await approve(actor);
      expect([profile?.version, terms.extendedKeyUsage]).toEqual([1, [serverAuth]]);
      expect(held).toMatch(/^Version 2 of its profile own refuses its renewal: .* It follows version 1\.$/);
    }
    expect(await outlook()).toMatchObject({
      profile: { version: 1, newest: 2, text: expect.stringContaining('It follows version 1.') },
      rights: { allowed: true },
    });
    const byAdmin = await approve(admin);
    expect([byAdmin.profile?.version, byAdmin.terms.extendedKeyUsage]).toEqual([2, usages]);
  });

  it('fails loudly where it wants such renewals to fail', async () => {
    const { approve, outlook } = renewal(plain, { ...always(serverAuth, ocspSigning), strictRenewal: true });
    const why = /^Version 2 of its profile own refuses its renewal: Only an administrator/;
    for (const actor of [program, user])
      await expect(approve(actor)).rejects.toMatchObject({ detail: expect.stringMatching(why) });
    expect((await outlook()).profile).toMatchObject({ version: 2, text: expect.stringMatching(why) });
  });

  it('that takes away a usage that nobody may request is followed', async () => {
    const { approve, outlook } = renewal({ ...plain, extendedKeyUsage: [serverAuth, ocspSigning] }, always(serverAuth));
    expect((await approve(program)).profile?.version).toBe(2);
    expect(await outlook()).toMatchObject({ profile: { version: 2, text: null }, rights: { allowed: true } });
  });
});
