import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cfsslKey, startCfssl } from '../fakes/cfssl.js';
import { djangoAccount, startDjangoCa } from '../fakes/django-ca.js';
import { fastpkiAccount, startFastpki } from '../fakes/fastpki.js';
import { sectigoAccount, startSectigo } from '../fakes/sectigo.js';
import type { StandIn } from '../fakes/stand-in.js';
import { consoleCommands, document, expectFollowed, sectionOf } from '../support/page-commands.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { requestFor, type SigningCa, startSigningCa } from '../support/signing-ca.js';

let ca: SigningCa;
let program: TestProgram;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'issuer-pages-'));
  ca = startSigningCa();
  writeFileSync(join(folder, 'root.pem'), ca.rootPem);
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
});
afterAll(async () => {
  await program.stop();
  ca.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Follows these sections of the page, while `worker` does what somebody does at the CA. */
async function follow(
  standIn: StandIn,
  page: string,
  { sections = ['An example'], worker = () => undefined, ...stage }: Part,
): Promise<void> {
  const text = document(`docs/issuers/${page}.md`);
  const commands = sections.flatMap((section) => consoleCommands(sectionOf(text, section)));
  const timer = setInterval(worker, 100);
  try {
    await expectFollowed(commands, { program, folder, ...stage });
  } finally {
    clearInterval(timer);
    await standIn.stop();
  }
}
interface Part {
  sections?: readonly string[];
  worker?: () => void;
  replaced: Readonly<Record<string, string>>;
  env?: NodeJS.ProcessEnv;
}

describe(
  'the page of an issuer has an example that works as written but for host and account',
  { timeout: 250_000 },
  () => {
    it('for django-ca', async () => {
      const fake = await startDjangoCa(ca);
      const { username, password, caSerial } = djangoAccount;
      await follow(fake, 'django-ca', {
        sections: ['An example', 'Profiles and settings of the CA'],
        worker: () => fake.settle(),
        replaced: {
          '"https://ca.example.com/django_ca': `"${fake.url}/django_ca`,
          perennial: username,
          'the password': password,
        },
        env: { SERIAL: caSerial },
      });
      expect(fake.certificates.map(({ revokedReason }) => revokedReason)).toEqual(['superseded']);
    });

    it('for CFSSL', async () => {
      const fake = await startCfssl(ca);
      writeFileSync(join(folder, 'ca.pem'), `${ca.issuingPem}${ca.rootPem}`);
      const replaced = { 'http://127.0.0.1:8888': fake.url, '00112233445566778899aabbccddeeff': cfsslKey };
      await follow(fake, 'cfssl', { replaced });
      expect(fake.issued).toHaveLength(1);
    });

    it('for Sectigo', async () => {
      const fake = await startSectigo(ca);
      const { login, password, customerUri } = sectigoAccount;
      const { order } = await requestFor(['earlier.example.com']);
      const enrolled = {
        orgId: 8,
        certType: 21,
        term: 90,
        csr: order.request.csrPem,
        subjAltNames: 'earlier.example.com',
      };
      const headers = { login, password, customerUri, 'content-type': 'application/json' };
      const before = { method: 'POST', headers, body: JSON.stringify(enrolled) };
      expect((await fetch(`${fake.url}/api/ssl/v1/enroll`, before)).status).toBe(200);
      fake.issueAll();
      const isAsked = (): boolean => fake.seen.some((line) => line.startsWith('GET /api/ssl/v1/1001'));
      await follow(fake, 'sectigo', {
        sections: ['An example', 'Profiles, organizations and persons'],
        worker: () => isAsked() && fake.issueAll(),
        replaced: {
          'https://cert-manager.com/api': `${fake.url}/api`,
          'the login': login,
          'the password': password,
          'the URI': customerUri,
        },
      });
      expect(fake.orders.map(({ status }) => status)).toEqual(['Issued', 'Revoked']);
    });

    it('for FastPKI', async () => {
      const fake = await startFastpki(ca);
      const { username, password } = fastpkiAccount;
      const replaced = { 'https://pki.example.com': fake.url, perennial: username, 'the password': password };
      await follow(fake, 'fastpki', { replaced });
      expect(fake.certificates).toMatchObject([{ status: 'revoked', reason: 'Superseded' }]);
    });
  },
);
