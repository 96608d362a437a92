import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OpensslCa } from '../../../test/support/openssl-ca.js';
import { execFileSync } from '../../../test/support/sync-programs.js';
import { parseCertificate } from '../../pki/certificate.js';
import { ocspRequest } from '../../pki/ocsp-client.js';
import { Clock } from '../../platform/clock.js';
import { loadConfig } from '../../platform/config.js';
import { GuardedAgents } from '../../platform/net/guarded-agent.js';
import { RevocationCheck, type RevocationFacts } from './revocation-check.js';
import { RevocationSources } from './revocation-sources.js';

class OwnClock extends Clock {
  laterMs = 0;
  override now(): Date {
    return new Date(super.now().getTime() + this.laterMs);
  }
}

let ca: OpensslCa;
const clock = new OwnClock();
let check: RevocationCheck;
let issued = 0;
beforeAll(async () => {
  ca = await OpensslCa.start();
});
afterAll(() => ca.close());
beforeEach(() => {
  // Nothing that an earlier test has fetched.
  const config = loadConfig({ DATA_DIR: ca.folder, ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  check = new RevocationCheck(clock, new RevocationSources(clock, new GuardedAgents(config)));
  clock.laterMs = 0;
  ca.ocsp = { signer: 'delegate', days: 1 };
});

/** A new certificate of the CA with these addresses, revoked when a reason is given. */
function certificate(addresses: Parameters<OpensslCa['addresses']>[0], reason?: string): string {
  issued += 1;
  const name = `leaf-${issued}`;
  const pem = ca.issue(name, ca.addresses(addresses));
  if (reason) ca.revoke(name, reason);
  return pem;
}

function status(pem: string): Promise<RevocationFacts> {
  return check.status({ certificate: parseCertificate(pem), issuer: parseCertificate(ca.pem) });
}

describe('a question to a responder', () => {
  it('is a request as openssl reads it', () => {
    const pem = certificate({ ocsp: '/ocsp' });
    const request = ocspRequest({
      certificate: parseCertificate(pem),
      issuer: parseCertificate(ca.pem),
      at: clock.now(),
      nonce: Buffer.alloc(32, 7),
    });
    const text = execFileSync('openssl', ['asn1parse', '-inform', 'DER'], {
      input: request,
      encoding: 'utf8',
    });
    expect(text).toContain('OCSP Nonce');
    expect(text).toContain(parseCertificate(pem).serialHex);
  });

  it.each(['ca', 'delegate'] as const)('tells good and revoked apart when %s signs the answer', async (signer) => {
    ca.ocsp = { signer, days: 1 };
    const good = certificate({ ocsp: '/ocsp' });
    const revoked = certificate({ ocsp: '/ocsp' }, 'superseded');
    const held = certificate({ ocsp: '/ocsp' }, 'certificateHold');
    expect(await status(good)).toMatchObject({ status: 'good', source: 'ocsp' });
    expect(await status(revoked)).toMatchObject({ status: 'revoked', source: 'ocsp', reason: 'superseded' });
    expect(await status(held)).toMatchObject({ status: 'revoked', source: 'ocsp', reason: 'certificateHold' });
  });

  it.each([
    ['stranger', 'The certificate of the responder is of another issuer'],
    ['without-eku', 'The certificate of the responder is not for signing OCSP answers'],
  ] as const)('is not settled by an answer that %s has signed', async (signer, why) => {
    ca.ocsp = { signer, days: 1 };
    expect(await status(certificate({ ocsp: '/ocsp' }))).toEqual({
      status: 'unknown',
      why: `OCSP: ${why}`,
      source: 'none',
    });
  });

  it('is not settled by an answer that is out of date, or was made for another request', async () => {
    const pem = certificate({ ocsp: '/ocsp' });
    clock.laterMs = 2 * 86_400_000;
    expect((await status(pem)).why).toMatch(/^OCSP: The answer is out of date since /);
    clock.laterMs = 0;
    const other = parseCertificate(certificate({ ocsp: '/ocsp' }));
    const issuer = parseCertificate(ca.pem);
    const asked = async (nonce: Buffer, path: string): Promise<RevocationFacts> => {
      await fetch(`${ca.url}/ocsp`, {
        method: 'POST',
        body: ocspRequest({ certificate: other, issuer, at: clock.now(), nonce }) as never,
      });
      ca.files.set(path, readFileSync(join(ca.folder, 'answer.der')));
      return status(ca.issue(`leaf-${(issued += 1)}`, ca.addresses({ ocsp: path })));
    };
    expect((await asked(Buffer.alloc(32, 1), '/replay')).why).toBe(
      'OCSP: The answer is for another request: its nonce differs',
    );
  });

  it('is unknown and never good when the responder answers an error, garbage, or not at all', async () => {
    ca.files.set('/garbage', Buffer.from('<html>'));
    ca.files.set('/try-later', Buffer.from('30030a0103', 'hex'));
    // Made before any of them is asked about: making one holds up this process, in which the responder is.
    const pems = ['/garbage', '/try-later', '/absent', '/silent'].map((ocsp) => certificate({ ocsp }));
    const outcomes = await Promise.all(pems.map(status));
    expect(outcomes.map(({ status: one }) => one)).toEqual(Array(4).fill('unknown'));
    expect(outcomes.map(({ why }) => why.replace(ca.url.slice(7), 'HOST'))).toEqual([
      expect.stringContaining('is not readable'),
      'OCSP: The responder answers tryLater',
      'OCSP: HOST answers with status 404',
      'OCSP: HOST did not answer in time.',
    ]);
  });

  it('is asked once while the answer holds, and again later', async () => {
    const pem = certificate({ ocsp: '/ocsp' });
    const before = ca.requests.length;
    await Promise.all([status(pem), status(pem)]);
    await status(pem);
    expect(ca.requests.length - before).toBe(1);
    clock.laterMs = 3_700_000;
    await status(pem);
    expect(ca.requests.length - before).toBe(2);
  });
});

describe('a CRL', () => {
  it('tells good, revoked and held certificates apart', async () => {
    const [good, revoked, held] = [
      certificate({ crl: '/ca.crl' }),
      certificate({ crl: '/ca.crl' }, 'keyCompromise'),
      certificate({ crl: '/ca.crl' }, 'certificateHold'),
    ];
    ca.publish();
    expect(await status(good)).toMatchObject({ status: 'good', source: 'crl' });
    expect(await status(revoked)).toMatchObject({ status: 'revoked', source: 'crl', reason: 'keyCompromise' });
    expect(await status(held)).toMatchObject({ status: 'revoked', source: 'crl', reason: 'certificateHold' });
  });

  it('is asked when the responder fails, and both failures are told when it fails too', async () => {
    const pem = certificate({ ocsp: '/absent', crl: '/ca.crl' });
    ca.publish();
    expect(await status(pem)).toMatchObject({ status: 'good', source: 'crl' });
    const nowhere = certificate({ ocsp: '/absent', crl: '/absent.crl' });
    expect((await status(nowhere)).why).toMatch(/^OCSP: .* status 404\. CRL: .* status 404$/);
  });

  it.each([
    ['crl_shard', 'CRL: The CRL is for another distribution point'],
    ['crl_cas', 'CRL: The CRL is only for certificates of authorities'],
    ['crl_some', 'CRL: the CRLs do not cover every reason of revocation'],
    ['crl_indirect', 'CRL: The CRL is indirect, which is not supported'],
    ['crl_delta', 'CRL: The CRL is a delta CRL, and the complete one is missing'],
    ['crl_unknown', 'CRL: The critical extension 1.2.3.4 of the CRL is not known here'],
  ])('of the scope %s does not settle the question', async (section, why) => {
    const pem = certificate({ crl: `/${section}.crl` });
    ca.publish(`/${section}.crl`, ['-crldays', '7', '-crlexts', section]);
    expect(await status(pem)).toEqual({ status: 'unknown', why, source: 'none' });
  });

  it('for users alone settles it for users, and one for some reasons tells a revocation', async () => {
    const good = certificate({ crl: '/users.crl' });
    ca.publish('/users.crl', ['-crldays', '7', '-crlexts', 'crl_users']);
    expect((await status(good)).status).toBe('good');
    const revoked = certificate({ crl: '/some.crl' }, 'keyCompromise');
    ca.publish('/some.crl', ['-crldays', '7', '-crlexts', 'crl_some']);
    expect((await status(revoked)).status).toBe('revoked');
  });

  it('does not settle the question when it is out of date, damaged, or of another CA', async () => {
    const old = certificate({ crl: '/old.crl' });
    ca.publish('/old.crl', ['-crlsec', '60']);
    clock.laterMs = 120_000;
    expect((await status(old)).why).toMatch(/^CRL: The CRL is out of date since /);
    clock.laterMs = 0;
    const damaged = certificate({ crl: '/damaged.crl' });
    const der = Buffer.from(ca.publish('/damaged.crl'));
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    ca.files.set('/damaged.crl', der);
    expect((await status(damaged)).why).toBe('CRL: The signature of the CRL is wrong');
    const other = await OpensslCa.start();
    ca.files.set('/other.crl', other.publish());
    other.close();
    // The other CA has the same name and another key.
    expect((await status(certificate({ crl: '/other.crl' }))).why).toBe(
      'CRL: The CRL is signed with another key of the issuer',
    );
  });

  it('is combined with its delta CRL', async () => {
    const [first, later] = [
      ca.issue('with-delta-1', [...ca.addresses({ crl: '/base.crl' }), `freshestCRL=URI:${ca.url}/delta.crl`]),
      ca.issue('with-delta-2', [...ca.addresses({ crl: '/base.crl' }), `freshestCRL=URI:${ca.url}/delta.crl`]),
    ];
    ca.publish('/base.crl');
    ca.revoke('with-delta-2', 'superseded');
    ca.publish('/delta.crl', ['-crldays', '7', '-crlexts', 'crl_delta']);
    expect((await status(first)).status).toBe('good');
    expect(await status(later)).toMatchObject({ status: 'revoked', reason: 'superseded' });
  });
});

describe('the way out', () => {
  it('leads to no private address unless it is allowed, and to http addresses alone', async () => {
    const guarded = new RevocationCheck(
      clock,
      new RevocationSources(clock, new GuardedAgents(loadConfig({ DATA_DIR: ca.folder }))),
    );
    const pem = certificate({ ocsp: '/ocsp' });
    const before = ca.requests.length;
    const facts = await guarded.status({ certificate: parseCertificate(pem), issuer: parseCertificate(ca.pem) });
    expect(facts).toMatchObject({ status: 'unknown', why: expect.stringMatching(/^OCSP: .*127\.0\.0\.1/) });
    const ldap = ca.issue('ldap', [
      'crlDistributionPoints=URI:ldap://127.0.0.1/cn=ca',
      `authorityInfoAccess=OCSP;URI:https://127.0.0.1/ocsp`,
    ]);
    expect((await status(ldap)).why).toBe(
      'The certificate names neither an OCSP responder nor a CRL at an http address',
    );
    expect(ca.requests.length).toBe(before);
  });

  it('is not taken for a certificate that is never revoked', async () => {
    const pem = ca.issue('short-lived', ['2.5.29.56=DER:0500', ...ca.addresses({ ocsp: '/ocsp' })]);
    expect(await status(pem)).toMatchObject({ status: 'good', source: 'none' });
  });
});
