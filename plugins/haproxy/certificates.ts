import { X509Certificate } from 'node:crypto';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import type { HaproxyRuntime } from './haproxy.client.js';

/** The words of an answer that is a failure; the first row that fits counts. */
const failures: readonly [RegExp, PluginFault, string][] = [
  [/permission denied/i, 'misconfigured', 'The runtime API needs "level admin".'],
  [/unknown command|unknown keyword/i, 'misconfigured', 'HAProxy has no such command: version 2.2 or later is needed.'],
  [
    /not referenced by the configuration/i,
    'misconfigured',
    'The configuration names no such certificate: name it there, or give a certificate list to which it is added.',
  ],
  [/ongoing transaction/i, 'unavailable', 'Somebody else is replacing a certificate of this HAProxy.'],
  [/in use|several entries|crt-list .* does not exist/i, 'misconfigured', ''],
  [/inconsistencies|unable to|can't load|can't commit|too (?:small|weak)/i, 'refused', ''],
];
/** HAProxy closes the connection without a word when a payload is larger than its buffers. */
const smallestLarge = 12_000;

/**
 * The SHA-1 fingerprint of the certificate in this file as HAProxy holds it; null when it holds none. Throws
 * PluginError `misconfigured` when HAProxy does not tell.
 */
export async function findLoaded(haproxy: HaproxyRuntime, file: string): Promise<string | null> {
  const answer = await haproxy.ask(`show ssl cert ${file}`);
  if (/^(permission denied|unknown command|unknown keyword)/im.test(answer)) throw failureOf(answer);
  return fingerprintIn(answer);
}

/** Whether HAProxy knows the file, also without a certificate in it. */
export async function isKnown(haproxy: HaproxyRuntime, file: string): Promise<boolean> {
  return (await haproxy.ask('show ssl cert')).split('\n').includes(file);
}

/** The fingerprint in the form of `show ssl cert`. */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint.replaceAll(':', '');
}

/** What goes into a file: key and chain, leaf first, and the fingerprint of the leaf. */
export interface Content {
  pem: string;
  fingerprint: string;
}

/**
 * Puts the certificate into memory in place of the one in this file. HAProxy has one transaction at a time, and 2.6
 * writes into an open one of another file, which it reports as updated. So none may be open before, the answer must
 * name this file, and what HAProxy then holds is compared; what another has mixed into it is replaced at once.
 */
export async function replace(haproxy: HaproxyRuntime, file: string, content: Content, tries = 3): Promise<void> {
  const open = /^\*(.+)$/m.exec(await haproxy.ask('show ssl cert'))?.[1];
  if (open !== undefined && open !== file) throw busy(open);
  const payload = content.pem.replace(/^\s*\n/gm, '');
  const answer = await haproxy.ask(
    `set ssl cert ${file} <<\n${payload}`,
    `commit ssl cert ${file}`,
    `show ssl cert ${file}`,
  );
  const written = /^Transaction (?:created|updated) for certificate (.+)!$/m.exec(answer)?.[1];
  const isCommitted = written === file && /^Success!$/m.test(answer);
  if (isCommitted && fingerprintIn(answer) === content.fingerprint) return;
  if (isCommitted && tries > 1) return replace(haproxy, file, content, tries - 1);
  if (written !== undefined) await haproxy.ask(`abort ssl cert ${written}`);
  if (isCommitted || (written !== undefined && written !== file)) throw busy(written);
  if (answer === '' && payload.length > smallestLarge)
    throw new PluginError('misconfigured', 'HAProxy takes no certificate of this size: raise tune.bufsize.');
  throw failureOf(answer, payload.split('\n'));
}

/** Makes HAProxy know the file and serve it by this list. Again, it changes nothing. */
export async function introduce(haproxy: HaproxyRuntime, file: string): Promise<void> {
  if (await isKnown(haproxy, file)) return;
  const answer = await haproxy.ask(`new ssl cert ${file}`);
  if (!/^New empty certificate store/m.test(answer)) throw failureOf(answer);
}

/** Adds the certificate in this file to the list, once. */
export async function enlist(haproxy: HaproxyRuntime, file: string, list: string): Promise<void> {
  if ((await entriesOf(haproxy, file, list)).length > 0) return;
  const answer = await haproxy.ask(`add ssl crt-list ${list} ${file}`);
  if (!/^Success!$/m.test(answer)) throw failureOf(answer);
}

/** Takes the file off the list and out of memory. */
export async function unload(haproxy: HaproxyRuntime, file: string, list: string): Promise<void> {
  for (const line of await entriesOf(haproxy, file, list)) {
    const answer = await haproxy.ask(`del ssl crt-list ${list} ${file}:${line}`);
    if ((await entriesOf(haproxy, file, list)).includes(line)) throw failureOf(answer);
  }
  const answer = await haproxy.ask(`del ssl cert ${file}`);
  if (await isKnown(haproxy, file)) throw failureOf(answer);
}

/** The numbers of the list's lines with this file. Throws PluginError `misconfigured` when there is no such list. */
export async function entriesOf(haproxy: HaproxyRuntime, file: string, list: string): Promise<number[]> {
  const lines = (await haproxy.ask(`show ssl crt-list -n ${list}`)).split('\n');
  if (lines[0] !== `# ${list}`) throw new PluginError('misconfigured', `HAProxy has no certificate list ${list}.`);
  return lines
    .map((line) => /^(\S+):(\d+)(?:\s|$)/.exec(line))
    .filter((found) => found?.[1] === file)
    .map((found) => Number(found?.[2]));
}

function fingerprintIn(answer: string): string | null {
  return /^SHA1 FingerPrint: ([0-9A-F]{40})$/m.exec(answer)?.[1] ?? null;
}

function busy(file: string): PluginError {
  return new PluginError(
    'unavailable',
    `HAProxy has an open transaction of ${file}, which must be committed or aborted.`,
  );
}

/** `secrets` are repeated in no error text. */
function failureOf(answer: string, secrets: readonly string[] = []): PluginError {
  const [, fault, advice] = failures.find(([words]) => words.test(answer)) ?? [null, 'unavailable' as const, ''];
  if (/unknown command/i.test(answer)) return new PluginError(fault, advice);
  const said = quotable(answer, secrets);
  return new PluginError(fault, `HAProxy says: ${said || 'nothing'}${/[.!]$/.test(said) ? '' : '.'} ${advice}`.trim());
}
