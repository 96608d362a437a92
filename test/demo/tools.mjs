import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { serialOf, Unexpected } from './expect.mjs';

const run = promisify(execFile);

/**
 * What the program printed, both streams. `env` is added to the environment. Throws Unexpected when it fails; null when
 * it is not installed.
 */
async function output(program, args, env) {
  const running = run(program, args, { env: { ...process.env, ...env }, timeout: 60_000 });
  running.child.stdin?.end();
  try {
    const { stdout, stderr } = await running;
    return stdout + stderr;
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw new Unexpected(
      `${program} ${args.join(' ')}`,
      'exit code 0',
      `exit code ${error.code ?? error.signal}\n${error.stdout}${error.stderr}`,
    );
  }
}

/** What openssl(1) printed. */
export async function openssl(args, env = {}) {
  const printed = await output('openssl', args, env);
  if (printed === null) throw new Unexpected('The demo checks everything with openssl.', 'openssl on PATH', 'none');
  return printed;
}

/** What keytool(1) printed, in English; null where Java is not installed. */
export async function keytool(args, env = {}) {
  return output('keytool', ['-J-Duser.language=en', ...args], env);
}

/** The serial number of a certificate's PEM file, as openssl reads it. */
export async function serialInFile(file) {
  const printed = await openssl(['x509', '-in', file, '-noout', '-serial']);
  return serialOf(/serial=([0-9A-F]+)/.exec(printed)[1]);
}
