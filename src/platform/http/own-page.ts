import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from './problem.js';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What is read of a request. */
export interface Sent {
  method: string;
  headers: IncomingHttpHeaders;
}

/**
 * Throws `forbidden` when a web page of another origin makes a browser send what may change something (Fetch Metadata
 * Request Headers §2.3; RFC 6454 §7). Pages cannot set these headers, and programs that are no browsers send none.
 */
export function demandOwnPage({ method, headers }: Sent, publicUrl: string): void {
  if (safeMethods.has(method)) return;
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin') return;
  const isForeign = headers.origin !== undefined && headers.origin !== new URL(publicUrl).origin;
  if (isForeign || (site !== undefined && site !== 'none'))
    throw new Problem('forbidden', 'A web page of another origin may not send this.');
}
