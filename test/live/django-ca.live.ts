import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { djangoCa } from '../../plugins/django-ca/django-ca.issuer.js';
import type { OrderRequest, Outcome } from '../../src/plugin-api/issuer.js';
import { openssl } from '../support/bundles.js';
import { failureOf } from '../support/issuer-faults.js';
import { noMemory } from '../support/issuer-requests.js';
import { describeLive } from '../support/live.js';
import { type LiveProgram, startLiveProgram } from '../support/live-program.js';
import { consoleCommands, document, expectFollowed } from '../support/page-commands.js';
import { startProgram } from '../support/program.js';
import { networkContext, requestFor } from '../support/signing-ca.js';

const python = process.env.DJANGO_CA_PYTHON ?? 'python3';
const account = { username: 'live', password: 'Live-Passwort-1' };

const settings = `
import os
BASE = os.path.dirname(os.path.abspath(__file__))
SECRET_KEY = "only for this test"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.admin", "django_object_actions", "django_ca"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": ["django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(BASE, "db.sqlite3")}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# Each request signs in; the default hash takes a second.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "live_urls"
CA_ENABLE_REST_API = True
CA_ENABLE_ACME = False
CA_DEFAULT_HOSTNAME = "localhost:8000"
STORAGES = {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "django-ca": {"BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": os.path.join(BASE, "keys")}}}
`;
const urls = `
from django.urls import include, path
urlpatterns = [path("django_ca/", include("django_ca.urls"))]
`;
const createUser = `
from django_ca.api.utils import create_api_user
create_api_user("${account.username}", "${account.password}")
`;

function missing(): string | undefined {
  const look = 'import importlib.util as u; exit(any(u.find_spec(n) is None for n in ("django_ca", "ninja")))';
  const { status } = spawnSync(python, ['-c', look], { stdio: 'ignore' });
  return status === 0
    ? undefined
    : 'no django-ca: pip install "django-ca[api]" with Python 3.11 or newer, then set DJANGO_CA_PYTHON to that python.';
}

describeLive('django-ca, the real one', missing(), () => {
  let folder: string;
  let rootPem: string;
  let server: LiveProgram;
  let caSerial: string;
  const environment = () => ({ ...process.env, PYTHONPATH: folder, DJANGO_SETTINGS_MODULE: 'live_settings' });
  const manage = (...args: string[]): string =>
    execFileSync(python, ['-m', 'django', ...args], { cwd: folder, env: environment(), encoding: 'utf8' });
  const optionsWith = (changed: object = {}) =>
    djangoCa.options.parse({
      url: `http://127.0.0.1:${server.port}/django_ca/`,
      ...account,
      caSerial,
      ...changed,
    });
  const ask = (names = ['www.example.com', 'example.com']) => requestFor(names, { days: 30 });
  const issued = async (names?: string[]): Promise<readonly string[]> => {
    const { order } = await ask(names);
    const authority = { ...order.authority, certificatePem: rootPem };
    let outcome = await djangoCa.order({ ...order, authority }, optionsWith(), networkContext());
    for (let left = 20; outcome.status === 'pending' && left > 0; left -= 1) {
      const { orderRef } = outcome;
      outcome = (await djangoCa.poll?.({ ...order, authority, orderRef }, optionsWith(), networkContext())) ?? outcome;
    }
    return outcome.status === 'issued' ? outcome.chainPem : [];
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'live-django-'));
    mkdirSync(join(folder, 'keys'));
    writeFileSync(join(folder, 'live_settings.py'), settings);
    writeFileSync(join(folder, 'live_urls.py'), urls);
    manage('migrate');
    const rootSerial = manage('init_ca', '--path-length=1', '--key-type=EC', 'live-root', 'CN=Live Root').trim();
    const parent = `--parent=${rootSerial}`;
    const child = ['--path-length=0', '--key-type=EC', '--api-enable', parent, '--path=ca', 'child', 'CN=Live Issuing'];
    caSerial = manage('init_ca', ...child).trim();
    rootPem = openssl(['x509'], manage('view_ca', rootSerial).replace(/^[^]*?(?=-----BEGIN)/, ''));
    manage('shell', '-c', createUser);
    const isUp = async (port: number): Promise<boolean> =>
      (await fetch(`http://127.0.0.1:${port}/django_ca/api/ca/`)).status === 401;
    const args = (port: number): string[] => ['-m', 'django', 'runserver', '--noreload', `127.0.0.1:${port}`];
    server = await startLiveProgram(python, args, isUp, { cwd: folder, env: environment() });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('issues a certificate that openssl verifies, with names, usage and end as asked', async () => {
    const chainPem = await issued();
    expect(chainPem).toHaveLength(2);
    writeFileSync(join(folder, 'root.pem'), rootPem);
    writeFileSync(join(folder, 'issuing.pem'), chainPem[1] ?? '');
    openssl(['verify', '-CAfile', join(folder, 'root.pem'), '-untrusted', join(folder, 'issuing.pem')], chainPem[0]);
    const text = openssl(['x509', '-noout', '-text'], chainPem[0]);
    expect(text).toContain('DNS:www.example.com, DNS:example.com');
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
    expect(() => openssl(['x509', '-noout', '-checkend', String(31 * 86_400)], chainPem[0])).toThrow();
    openssl(['x509', '-noout', '-checkend', String(29 * 86_400)], chainPem[0]);
  });

  it('issues, revokes and shows its settings by its page, as it is written but for the host', async () => {
    const program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
    writeFileSync(join(folder, 'manage.py'), `#!/bin/sh\nexec ${python} -m django "$@"\n`);
    chmodSync(join(folder, 'manage.py'), 0o755);
    await expectFollowed(consoleCommands(document('docs/issuers/django-ca.md')), {
      program,
      folder,
      replaced: { '"https://ca.example.com/django_ca': `"http://127.0.0.1:${server.port}/django_ca` },
      env: { ...environment(), PATH: `${folder}:${process.env.PATH}` },
    }).finally(() => program.stop());
  }, 250_000);

  it('renews with a new key', async () => {
    const [[first], [second]] = [await issued(), await issued()];
    expect(new X509Certificate(first ?? '').publicKey.equals(new X509Certificate(second ?? '').publicKey)).toBe(false);
  });

  it('resigns a certificate for a renewal that keeps key and names', async () => {
    const { order } = await ask(['resigned.example.com']);
    const authority = { ...order.authority, certificatePem: rootPem };
    const chosen = optionsWith({ resigns: true });
    const complete = async (asked: OrderRequest): Promise<Extract<Outcome, { status: 'issued' }>> => {
      let outcome = await djangoCa.order(asked, chosen, networkContext());
      for (let left = 20; outcome.status === 'pending' && left > 0; left -= 1) {
        const { orderRef } = outcome;
        outcome = (await djangoCa.poll?.({ ...asked, orderRef }, chosen, networkContext())) ?? outcome;
      }
      if (outcome.status !== 'issued') throw new Error('It is not issued.');
      return outcome;
    };
    const first = await complete({ ...order, authority });
    const notAfter = new Date(order.request.terms.notAfter.getTime() + 20 * 86_400_000);
    const request = { ...order.request, terms: { ...order.request.terms, notAfter }, renews: first };
    const second = await complete({ ...order, authority, request });
    expect(second.externalId).not.toBe(first.externalId);
    const text = (pem = ''): string => openssl(['x509', '-noout', '-subject', '-ext', 'subjectAltName,keyUsage'], pem);
    expect(text(second.chainPem[0])).toBe(text(first.chainPem[0]));
    openssl(['x509', '-noout', '-checkend', String(49 * 86_400)], second.chainPem[0]);
  });

  it('finds the certificate of a request whose answer was lost', async () => {
    const { order } = await ask(['lost.example.com']);
    const sent = { ...order, authority: { ...order.authority, certificatePem: rootPem } };
    expect(await djangoCa.find?.(sent, optionsWith(), networkContext())).toBeNull();
    await djangoCa.order(sent, optionsWith(), networkContext());
    await expect
      .poll(async () => (await djangoCa.find?.(sent, optionsWith(), networkContext()))?.status, { timeout: 10_000 })
      .toBe('issued');
  });

  it('revokes, again too, and the CRL says so', async () => {
    const chainPem = await issued(['revoked.example.com']);
    const request = { ...noMemory, chainPem, reason: 1 };
    await djangoCa.revoke?.(request, optionsWith(), networkContext());
    await djangoCa.revoke?.(request, optionsWith(), networkContext());
    const { serialNumber } = new X509Certificate(chainPem[0] ?? '');
    const crl = openssl(['crl', '-noout', '-text'], manage('dump_crl', `--ca=${caSerial}`, '-'));
    expect(crl).toContain(serialNumber);
    expect(crl).toContain('Key Compromise');
    const revoked: string[] = [];
    for await (const { location } of djangoCa.list?.({ status: 'revoked' }, optionsWith(), networkContext()) ?? [])
      revoked.push(location);
    expect(revoked).toEqual([serialNumber.replace(/^0+/, '')]);
  });

  it('names its profiles', async () => {
    const { items = [] } = (await djangoCa.profiles?.list({ count: 100 }, optionsWith(), networkContext())) ?? {};
    expect(items).toContainEqual({
      id: 'webserver',
      name: 'webserver',
      description: expect.stringMatching(/webserver/),
    });
  });

  it('reads and changes the settings of its CA', async () => {
    const { settings: verbs } = djangoCa;
    if (!verbs) throw new Error('It has no settings.');
    const before = await verbs.get(optionsWith(), networkContext());
    expect(verbs.changes.parse(before)).toEqual(before);
    expect(before).toMatchObject({ name: 'child', acme_enabled: false });
    await verbs.update({ changes: before }, optionsWith(), networkContext());
    const value = [{ full_name: [{ type: 'URI', value: 'http://ca.example.com/crl' }] }];
    const changed = {
      website: 'https://ca.example.com',
      terms_of_service: 'https://ca.example.com/terms',
      caa_identity: 'ca.example.com',
      ocsp_response_validity: 7200,
      sign_crl_distribution_points: { type: 'crl_distribution_points', critical: false, value },
    };
    await verbs.update({ changes: changed }, optionsWith(), networkContext());
    expect(await verbs.get(optionsWith(), networkContext())).toMatchObject(changed);
    expect(openssl(['x509', '-noout', '-ext', 'crlDistributionPoints'], (await issued())[0])).toContain(
      value[0]?.full_name[0]?.value,
    );
    await verbs.update({ changes: before }, optionsWith(), networkContext());
    expect(await verbs.get(optionsWith(), networkContext())).toEqual(before);
  });

  it('names its CA, and passes the test of the connection', async () => {
    const described = await djangoCa.describe?.(optionsWith(), networkContext());
    expect(new X509Certificate(described?.issuers[0]?.chainPem[0] ?? '').subject).toBe('CN=Live Issuing');
    await djangoCa.check?.(optionsWith(), networkContext());
  });

  it.each([
    ['a wrong password', { password: 'Wrong-Passwort-2' }, 'misconfigured'],
    ['a CA that does not exist', { caSerial: 'ABCD' }, 'refused'],
    ['a profile that does not exist', { profile: 'nope' }, 'rejected or issued'],
  ])('answers as expected to %s', async (_, changed, expected) => {
    const work = djangoCa.order((await ask()).order, optionsWith(changed), networkContext());
    if (expected === 'rejected or issued') expect(['pending', 'issued', 'rejected']).toContain((await work).status);
    else expect((await failureOf(work, [account.password])).fault).toBe(expected);
  });
});
