import { DogtagCa } from './dogtag-ca.js';
import type { Exchange, Reply } from './stand-in.js';

type Wire = Record<string, unknown>;

const [root, older] = ['/ca/v2/', '/ca/rest/'];

/**
 * The same CA with the REST interface of Dogtag 11.6 and later, as the sources of 11.10 have it: members that are null
 * are left out, requests are named by `requestID` in hex and not by a URL, lists of certificates have no total, lists
 * of requests begin at a number of requests, and a malformed id is a bad request.
 */
export class DogtagCaV2 extends DogtagCa {
  override answer(exchange: Exchange): Reply {
    const { path } = exchange;
    if (!path.startsWith(root)) return { status: 404, body: '<html></html>', headers: { 'content-type': 'text/html' } };
    const rest = path.slice(root.length);
    const [malformed] =
      /(?<=^(agent\/)?cert(s|requests)\/)(?!search|\d+(\/|$)|0x[0-9a-f]+(\/|$))[^/]+/.exec(rest) ?? [];
    if (malformed !== undefined) return failed(400, 'BadRequestException', `Id not valid: ${malformed}`);
    const reply = super.answer({ ...exchange, path: older + rest, query: this.queryOf(rest, exchange.query) });
    if (/^agent\/certrequests\/\w+$/.test(rest) && reply.status === 404)
      return failed(500, 'PKIException', 'Unable to review cert request: error retrieving the request');
    return isJson(reply) ? { ...reply, ...rewritten(rest, reply) } : reply;
  }

  /** What was a number of requests is the id of the one after them. */
  private queryOf(rest: string, query: URLSearchParams): URLSearchParams {
    if (rest !== 'agent/certrequests') return query;
    const state = query.get('requestState');
    const matching = this.requests.filter(({ status }) => state === null || status === state);
    const first = matching[Number(query.get('start') ?? 0)]?.id ?? this.requests.length + 1;
    const changed = new URLSearchParams(query);
    changed.set('start', String(first));
    return changed;
  }
}

function failed(status: number, name: string, message: string): Reply {
  const ClassName = `com.netscape.certsrv.base.${name}`;
  return { status, body: { Attributes: { Attribute: [] }, ClassName, Code: status, Message: message } };
}

function isJson({ body, headers }: Reply): boolean {
  return body !== undefined && !Buffer.isBuffer(body) && (headers?.['content-type'] ?? 'json').includes('json');
}

/** Numbers of 64 bits stay as they are written. */
function rewritten(rest: string, { body, status, headers }: Reply): Pick<Reply, 'body' | 'headers'> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const exact = text.replaceAll(/("Nonce":)(-?\d+)/g, '$1"@$2@"');
  const isSearch = rest === 'certs/search' || rest === 'certs';
  const changed = JSON.stringify(JSON.parse(exact), (key, value: unknown) => {
    if (value === null || (key === 'Attributes' && status < 400)) return undefined;
    if (key === 'Link' || key === 'link' || key === 'certURL' || (key === 'total' && isSearch)) return undefined;
    return isWire(value) ? renamed(value) : value;
  });
  return {
    body: changed.replaceAll(/"@(-?\d+)@"/g, '$1'),
    headers: { ...headers, 'content-type': 'application/json' },
  };
}

function renamed(value: Wire): Wire {
  const { requestURL, requestId, requestCreationTime, FullName, Roles, ...others } = value;
  const hex = (id: string): string => `0x${BigInt(id).toString(16)}`;
  const time = requestCreationTime === undefined ? undefined : '2026-03-01 10:00:00 +0000';
  return {
    ...others,
    ...(typeof requestURL === 'string' && { requestID: hex(requestURL.slice(requestURL.lastIndexOf('/') + 1)) }),
    ...(typeof requestId === 'string' && { requestId: hex(requestId) }),
    ...(time !== undefined && { requestCreationTime: time }),
    ...(FullName !== undefined && { fullName: FullName }),
    ...(isWire(Roles) && { roles: Roles.Role }),
  };
}

function isWire(value: unknown): value is Wire {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
