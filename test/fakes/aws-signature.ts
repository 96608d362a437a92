import { createHash, createHmac } from 'node:crypto';
import type { Exchange } from './stand-in.js';

/** For which service and region a request is signed. */
export interface Signed {
  service: string;
  region: string;
}

/**
 * Computes the signature (AWS Signature Version 4) anew from what has arrived; null when it is wrong. `secretFor` gives
 * the secret of an access key, or null. `x-host` is the host to which the request was really to go.
 */
export function signedFor(
  { method, path, search, headers, bytes }: Exchange,
  secretFor: (accessKeyId: string) => string | null,
): Signed | null {
  const [, id = '', scope = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=(\w{16,})\/(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  const [date = '', region = '', service = '', end = ''] = scope.split('/');
  const secret = secretFor(id);
  const unsigned = Object.keys(headers).filter(
    (name) => name.startsWith('x-amz-') && name !== 'x-amz-user-agent' && !names.split(';').includes(name),
  );
  if (secret === null || end !== 'aws4_request' || unsigned.length > 0) return null;
  if ((headers['x-amz-content-sha256'] ?? (service === 's3' ? '' : sha(bytes))) !== sha(bytes)) return null;
  const values: Record<string, unknown> = { ...headers, host: headers['x-host'] ?? headers.host };
  const lines = names.split(';').map((name) => `${name}:${String(values[name])}`);
  const query = search.replace(/^\?/, '').split('&').sort().join('&');
  const canonical = [method, path, query, ...lines, '', names, sha(bytes)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha(canonical)].join('\n');
  const key = [date, region, service, end].reduce<Buffer>(
    (last, part) => createHmac('sha256', last).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );
  const isRight = createHmac('sha256', key).update(toSign).digest('hex') === signature;
  return isRight ? { service, region } : null;
}

function sha(value: Buffer | string): string {
  return createHash('sha256').update(value).digest('hex');
}
