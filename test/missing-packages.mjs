import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Programs that the tests run beside Node, and the Debian package of each. */
const packageOf = {
  curl: 'curl',
  jq: 'jq',
  python3: 'python3',
  ps: 'procps',
  'redis-server': 'redis-server',
  openssl: 'openssl',
  certtool: 'gnutls-bin',
  dumpasn1: 'dumpasn1',
  keytool: 'default-jre-headless',
  psql: 'postgresql',
  unshare: 'util-linux',
  slapd: 'slapd',
  named: 'bind9',
  haproxy: 'haproxy',
  nginx: 'nginx-light',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  faketime: 'faketime',
  pebble: 'pebble',
  'softhsm2-util': 'softhsm2',
  'pkcs11-tool': 'opensc',
};

/** Where Debian puts servers is not on the PATH of ordinary users. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

function isInstalled(program) {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The Debian packages that this machine lacks for the tests to run in full. */
export function missingPackages() {
  return Object.keys(packageOf)
    .filter((program) => !isInstalled(program))
    .map((program) => packageOf[program]);
}

// Run by itself, it prints them for `apt-get install`.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(missingPackages().join(' '));
