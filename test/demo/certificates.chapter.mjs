import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileOwner } from './authorities.chapter.mjs';
import { expectMatch, expectSame, serialOf, until } from './expect.mjs';
import { openssl, serialInFile } from './tools.mjs';
import { Visitor } from './web-server.mjs';

/** The name of the web site. */
export const site = 'www.example.com';
const lifetimeS = 60;

const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();

/**
 * One certificate with a key made here, one from a CSR, one made elsewhere. Gives what the API said of each, and the
 * root's file.
 */
export async function issue(stage, { rootPem }) {
  const { narrator, program, folder } = stage;
  const rootFile = join(folder, 'root.pem');
  await writeFile(rootFile, rootPem);
  const { web } = await narrator.step('Issue a certificate with a key made here', () => issueForWeb(program));
  await narrator.step('Find it deployed, and the reload command run', () => findDeployed(stage, web));
  await narrator.step('Visit the web site with openssl s_client', async () => {
    await stage.webServer.listen();
    stage.visitor = new Visitor({ port: stage.webServer.port, host: site, ca: rootPem });
    const serial = await serialAtSite(stage, rootFile);
    expectSame('the serial that a TLS client sees', serial, serialOf(web.serialHex));
    return { seen: `serial ${serial}` };
  });
  const { fromCsr } = await narrator.step('Issue a certificate from a CSR of openssl req', () =>
    issueFromCsr(program, folder),
  );
  await narrator.step('Check both with openssl verify -x509_strict', async () => {
    for (const certificate of [web, fromCsr]) await verify(folder, rootFile, certificate);
    return { seen: 'OK, OK' };
  });
  const { imported } = await narrator.step('Import a certificate that openssl made', () =>
    importForeign(program, folder),
  );
  return { web, fromCsr, imported, rootFile };
}

/** `openssl verify` of a certificate as the API gives it, for a TLS server of its name. */
export async function verify(folder, rootFile, { id, body, chain, cn }) {
  const [leafFile, chainFile] = [join(folder, `leaf-${id}.pem`), join(folder, `chain-${id}.pem`)];
  await writeFile(leafFile, body);
  await writeFile(chainFile, chain);
  const printed = await openssl([
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    '-verify_hostname',
    cn,
    '-CAfile',
    rootFile,
    '-untrusted',
    chainFile,
    leafFile,
  ]);
  expectSame('openssl verify', printed.trim(), `${leafFile}: OK`);
}

/** The serial that `openssl s_client` sees; it fails unless chain, dates and name are right. */
export async function serialAtSite({ folder, webServer }, rootFile) {
  const printed = await openssl([
    's_client',
    '-connect',
    `127.0.0.1:${webServer.port}`,
    '-servername',
    site,
    '-verify_hostname',
    site,
    '-CAfile',
    rootFile,
    '-x509_strict',
    '-verify_return_error',
  ]);
  expectMatch('openssl s_client', printed, /Verify return code: 0 \(ok\)/);
  const seenFile = join(folder, 'seen.pem');
  await writeFile(seenFile, /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(printed)?.[0] ?? '');
  return serialInFile(seenFile);
}

async function issueForWeb(program) {
  const web = await program.post('/certificates', {
    owner: 'joe@example.com',
    commonName: site,
    authority: { name: 'issuing' },
    validityEnd: inSeconds(lifetimeS),
    rotationPolicy: { name: 'demo' },
    destinations: [{ label: 'web' }],
    notifications: [{ label: 'soon' }],
    extensions: {
      subAltNames: {
        names: [
          { nameType: 'DNSName', value: site },
          { nameType: 'DNSName', value: 'example.com' },
        ],
      },
    },
  });
  expectSame('its state', web.lifecycle, 'issued');
  expectSame('that its key is kept', web.hasPrivateKey, true);
  return { web, seen: `${web.keyType}, lives ${lifetimeS} s, renews by itself` };
}

async function findDeployed({ program, reloads, folder }, web) {
  const [delivery] = await until(
    'the delivery arrives',
    async () => {
      const { items } = await program.get(`/deliveries?certificateId=${web.id}&state=delivered`);
      return items.length > 0 && items;
    },
    { describe: () => program.get(`/deliveries?certificateId=${web.id}`) },
  );
  expectSame('where it is', delivery.location, join(folder, 'deployed', site));
  const key = await stat(join(delivery.location, 'privkey.pem'));
  expectSame('owner and group of the key', { uid: key.uid, gid: key.gid }, fileOwner);
  expectSame('mode of the key', (key.mode & 0o7777).toString(8), '640');
  const chain = await stat(join(delivery.location, 'fullchain.pem'));
  expectSame('mode of the chain', (chain.mode & 0o7777).toString(8), '644');
  await until('the reload command runs', () => reloads.count === 1, { describe: () => `${reloads.count} times` });
  return { seen: `key ${key.uid}:${key.gid} 0640, chain 0644, reloaded once` };
}

async function issueFromCsr(program, folder) {
  const [keyFile, csrFile] = [join(folder, 'csr.key'), join(folder, 'csr.pem')];
  await openssl([
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    keyFile,
    '-out',
    csrFile,
    '-subj',
    '/O=Example/CN=csr.example.com',
    '-addext',
    'subjectAltName=DNS:csr.example.com,DNS:other.example.com',
  ]);
  const fromCsr = await program.post('/certificates', {
    owner: 'joe@example.com',
    authority: { name: 'issuing' },
    csr: await readFile(csrFile, 'utf8'),
    validityEnd: inSeconds(lifetimeS),
    notifications: [{ label: 'soon' }],
  });
  expectSame('that no key is kept', fromCsr.hasPrivateKey, false);
  const leafFile = join(folder, 'csr-leaf.pem');
  await writeFile(leafFile, fromCsr.body);
  const publicKeys = await Promise.all([
    openssl(['x509', '-in', leafFile, '-noout', '-pubkey']),
    openssl(['pkey', '-in', keyFile, '-pubout']),
  ]);
  expectSame('its public key', publicKeys[0], publicKeys[1]);
  return { fromCsr, seen: `${fromCsr.keyType}, lives ${lifetimeS} s, does not renew by itself` };
}

async function importForeign(program, folder) {
  const [keyFile, leafFile] = [join(folder, 'foreign.key'), join(folder, 'foreign.pem')];
  await openssl([
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    keyFile,
    '-out',
    leafFile,
    '-days',
    '90',
    '-subj',
    '/CN=legacy.example.com',
    '-addext',
    'subjectAltName=DNS:legacy.example.com',
  ]);
  const [body, privateKey] = await Promise.all([leafFile, keyFile].map((file) => readFile(file, 'utf8')));
  const imported = await program.post('/certificates/upload', { owner: 'joe@example.com', body, privateKey });
  expectSame('its serial', serialOf(imported.serialHex), await serialInFile(leafFile));
  expectSame('its name', imported.cn, 'legacy.example.com');
  expectSame('that its key is kept', imported.hasPrivateKey, true);
  return { imported, seen: `${imported.cn}, until ${imported.notAfter.slice(0, 10)}` };
}
