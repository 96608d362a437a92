import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { execFileSync } from '../../../test/support/sync-programs.js';
import { AuthorityIssuers } from '../../authorities/authority-issuers.js';
import { CertifiedCas } from '../../revocation/certified-cas.js';
import { AuthorityRevocation } from './authority-revocation.service.js';

const folder = mkdtempSync(join(tmpdir(), 'revocation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function make(name: string, by: string): string {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
  const signed = by === name ? [] : ['-CA', `${by}.pem`, '-CAkey', `${by}.key`];
  const args = ['req', '-x509', '-days', '30', '-subj', `/CN=${name}`, ...key, ...signed, '-out', `${name}.pem`];
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  return readFileSync(join(folder, `${name}.pem`), 'utf8');
}

/** A service on stand-ins, which it gets in the order of its constructor's parameters. */
function on<T>(service: new (...parts: never[]) => T, ...parts: object[]): T {
  return new service(...(parts as never[]));
}

const actor = { userId: 1, roles: [{ id: 1, name: 'admin', permissions: [] }] };
const db = { single: {}, write: (work: (tx: object) => Promise<unknown>) => work({}) };
const clock = { now: () => new Date() };

it('revokes a certificate that a renewal stored after the authority was loaded', async () => {
  const root = { id: 1, name: 'root', keyId: 1, certificatePem: make('root', 'root'), parentId: null };
  const before = { id: 2, name: 'sub', keyId: 2, certificatePem: make('sub', 'root'), parentId: 1, active: true };
  const now = { ...before, certificatePem: make('renewed', 'root') };
  const loaded: Record<number, object> = { 1: root, 2: before };
  const authorities = {
    get: (id: number) => Promise.resolve({ authority: loaded[id], roles: actor.roles, issuers: [loaded[id]] }),
  };
  const repository = {
    demandVisible: () => Promise.resolve(),
    get: () => Promise.resolve(root),
    lock: () => Promise.resolve(now),
    signersOf: () => Promise.resolve([root.id]),
    save: () => Promise.resolve(),
  };
  const issuers = { of: (_tx: object, id: number) => Promise.resolve(id === 2 ? [before] : []) };
  const revoked: string[] = [];
  const revocations = {
    add: (_tx: object, { certificatePem }: { certificatePem: string }) =>
      Promise.resolve(revoked.push(certificatePem) > 0),
  };
  const audit = { record: () => Promise.resolve() };
  const certified = on(CertifiedCas, clock, repository, issuers, {}, { demandBefore: () => undefined });
  const service = on(AuthorityRevocation, db, clock, authorities, repository, certified, revocations, audit);
  await service.revoke(actor as never, 2, { crlReason: 'cACompromise' } as never);
  expect(revoked).toEqual([now.certificatePem, before.certificatePem]);
  expect(now.active).toBe(false);
});

it('stores no renewal of an authority that was revoked meanwhile', async () => {
  const before = { id: 2, name: 'sub', keyId: 2, certificatePem: 'pem', active: true };
  const repository = { lock: () => Promise.resolve({ ...before, active: false }) };
  const service = on(AuthorityIssuers, db, clock, {}, repository, {}, {}, {});
  const added = { chains: [], origin: 'renewed', keyId: 2 };
  await expect(service.renewed(actor as never, before as never, added as never)).rejects.toMatchObject({
    code: 'authority-inactive',
  });
});
