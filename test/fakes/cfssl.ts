import { createHmac, timingSafeEqual, X509Certificate } from 'node:crypto';
import type { SigningCa } from '../support/signing-ca.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

export const cfsslKey = '0123456789abcdef0123456789abcdef';

export interface FakeCfssl extends StandIn {
  issued: string[];
  /** Reason by serial number, decimal. */
  revoked: Map<string, string>;
  withDatabase: boolean;
}

/**
 * CFSSL 1.6.5 whose profiles all demand HMAC authentication, as its source answers: `sign` is not served then, and a
 * profile that it has not is the default one.
 */
export async function startCfssl(ca: SigningCa): Promise<FakeCfssl> {
  const state = { issued: [] as string[], revoked: new Map<string, string>(), withDatabase: true };
  const sign = ({ certificate_request: csr = '' }: Record<string, string>): Reply => {
    if (csr === '') return refuse(400, "missing parameter 'certificate_request'");
    if (!csr.includes('-----BEGIN CERTIFICATE REQUEST-----')) return refuse(9002, 'Failed to decode CSR');
    const certificate = ca.sign(csr, 365);
    state.issued.push(certificate);
    return ok({ certificate });
  };
  const authenticated = ({ json }: Exchange): Reply => {
    const { token, request } = json as { token: string; request: string };
    const body = Buffer.from(request, 'base64');
    const expected = createHmac('sha256', Buffer.from(cfsslKey, 'hex')).update(body).digest();
    const given = Buffer.from(token, 'base64');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return refuse(400, 'invalid token');
    return sign(JSON.parse(body.toString()) as Record<string, string>);
  };
  const revoke = ({ json }: Exchange): Reply => {
    const { serial, authority_key_id: aki, reason } = json as Record<string, string>;
    const known = state.issued.some((pem) => {
      const { serialNumber } = new X509Certificate(pem);
      return BigInt(`0x${serialNumber}`).toString() === serial && /^[0-9a-f]{40}$/.test(aki ?? '');
    });
    if (!known) return refuse(11200, 'failed to revoke the certificate: certificate not found');
    state.revoked.set(serial ?? '', reason ?? '');
    return ok({});
  };
  const standIn = await startStandIn((exchange) => {
    const route = `${exchange.method} ${exchange.path}`;
    if (route === 'POST /api/v1/cfssl/info') return ok({ certificate: ca.issuingPem, usages: [], expiry: '8760h' });
    if (route === 'POST /api/v1/cfssl/authsign') return authenticated(exchange);
    if (route === 'POST /api/v1/cfssl/revoke' && state.withDatabase) return revoke(exchange);
    return { status: 404, body: '404 page not found\n', headers: { 'content-type': 'text/plain' } };
  });
  return Object.assign(state, standIn);
}

function ok(result: object): Reply {
  return { status: 200, body: { success: true, result, errors: [], messages: [] } };
}

/** As Go's http.Error sends it: JSON that calls itself text. */
function refuse(code: number, message: string): Reply {
  const body = { success: false, result: null, errors: [{ code, message }], messages: [] };
  return { status: 400, body: JSON.stringify(body), headers: { 'content-type': 'text/plain; charset=utf-8' } };
}
