import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectMatch, expectSame, serialOf } from './expect.mjs';
import { keytool, openssl, serialInFile } from './tools.mjs';

/** The certificate in every file format, each opened by a program that is not ours. */
export async function exportAll({ narrator, program, folder }, { web }) {
  const serial = serialOf(web.serialHex);
  const exported = (id, options = {}) => exportedFile({ program, folder }, web, { id, options });
  await narrator.step('Export as PEM bundle, open it with openssl', async () => ({
    seen: await openPem(await exported('pem-bundle'), serial),
  }));
  for (const [type, algorithm] of [
    ['modern', /AES-256-CBC/],
    ['legacy', /TripleDES/],
  ]) {
    await narrator.step(`Export as PKCS#12 (${type}), open it with openssl`, async () => ({
      seen: await openPkcs12(await exported('pkcs12', { type }), serial, algorithm),
    }));
  }
  await narrator.step('Export as Java key store, open it with keytool', async () => ({
    seen: await openJks(await exported('java-keystore'), { serial, type: 'PrivateKeyEntry' }),
  }));
  await narrator.step('Export as Java trust store, open it with keytool', async () => ({
    seen: await openJks(await exported('java-truststore'), { serial, type: 'trustedCertEntry' }),
  }));
}

async function exportedFile({ program, folder }, { id }, plugin) {
  const { extension, passphrase, data } = await program.post(`/certificates/${id}/export`, { plugin });
  const file = join(folder, `${plugin.id}-${plugin.options.type ?? 'export'}.${extension}`);
  await writeFile(file, Buffer.from(data, 'base64'));
  return { file, env: { PASSPHRASE: passphrase ?? '' } };
}

async function openPem({ file }, serial) {
  expectSame('its serial', await serialInFile(file), serial);
  expectMatch('its key', await openssl(['pkey', '-in', file, '-noout', '-check']), /Key is valid/);
  const certificates = await openssl(['crl2pkcs7', '-nocrl', '-certfile', file]);
  expectMatch('its certificates as PKCS#7', certificates, /BEGIN PKCS7/);
  return 'a valid key, the certificate and its chain';
}

async function openPkcs12({ file, env }, serial, algorithm) {
  const printed = await openssl(['pkcs12', '-in', file, '-passin', 'env:PASSPHRASE', '-info', '-nodes'], env);
  const [used] = algorithm.exec(printed) ?? [];
  expectMatch('how it is encrypted', printed, algorithm);
  expectMatch('its key', printed, /BEGIN PRIVATE KEY/);
  await writeFile(`${file}.pem`, printed);
  expectSame('its serial', await serialInFile(`${file}.pem`), serial);
  return `${used}, key and certificate`;
}

async function openJks({ file, env }, { serial, type }) {
  const printed = await keytool(
    ['-list', '-v', '-storetype', 'JKS', '-keystore', file, '-storepass:env', 'PASSPHRASE'],
    env,
  );
  if (printed === null) return 'skipped: no Java';
  const serials = [...printed.matchAll(/Serial number: ([0-9a-f]+)/g)].map(([, hex]) => serialOf(hex));
  const types = [...printed.matchAll(/Entry type: (\w+)/g)].map(([, found]) => found);
  expectSame('its first serial', serials[0], serial);
  expectSame('the kinds of its entries', [...new Set(types)], [type]);
  return `${types.length} ${type}, ${serials.length} certificates`;
}
