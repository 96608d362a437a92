import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cfsslKey, type FakeCfssl, startCfssl } from '../../test/fakes/cfssl.js';
import { describeFaults, failureOf, issue, type IssuerBench } from '../../test/support/issuer-faults.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { cfssl } from './cfssl.issuer.js';

let ca: SigningCa;
let fake: FakeCfssl;
beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  fake = await startCfssl(ca);
});
afterEach(() => fake.stop());

const bench: IssuerBench<typeof cfssl.options> = {
  plugin: cfssl,
  options: (changed) => cfssl.options.parse({ url: `${fake.url}/`, hmacKey: cfsslKey, ...changed }),
  standIn: () => fake,
  ca: () => ca,
  names: ['www.example.com'],
  submits: /authsign$/,
  ordered: () => fake.issued.length,
  wrong: { hmacKey: 'ffffffffffffffffffffffffffffffff' },
  secrets: [cfsslKey],
};
const { options } = bench;

describeFaults(bench);

describe('cfssl-issuer', () => {
  it('says that the key is missing where the server takes authenticated requests alone', async () => {
    const { order } = await requestFor(bench.names, { ca });
    const error = await failureOf(cfssl.order(order, options({ hmacKey: undefined }), networkContext()));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('give the HMAC key')]);
  });

  it('revokes with the reason, once and again, and refuses what the server does not know', async () => {
    const { chainPem } = await issue(bench, (await requestFor(bench.names, { ca })).order);
    const request = { ...noMemory, chainPem, reason: 1 };
    await cfssl.revoke?.(request, options(), networkContext());
    await cfssl.revoke?.(request, options(), networkContext());
    const serial = BigInt(`0x${new X509Certificate(chainPem[0] ?? '').serialNumber}`).toString();
    expect([...fake.revoked]).toEqual([[serial, 'keycompromise']]);
    fake.issued = [];
    expect((await failureOf(cfssl.revoke?.(request, options(), networkContext()) ?? Promise.resolve())).fault).toBe(
      'refused',
    );
  });

  it('says that a server without a database does not revoke', async () => {
    const { chainPem } = await issue(bench, (await requestFor(bench.names, { ca })).order);
    fake.withDatabase = false;
    const work = cfssl.revoke?.({ ...noMemory, chainPem, reason: 0 }, options(), networkContext());
    const error = await failureOf(work ?? Promise.resolve());
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('-db-config')]);
  });

  it('tries server and key without signing anything', async () => {
    await cfssl.check?.(options(), networkContext());
    const work = cfssl.check?.(options(bench.wrong), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work, bench.secrets)).fault).toBe('misconfigured');
    expect(fake.issued).toEqual([]);
  });

  it('names the certificate with which the server signs', async () => {
    const described = await cfssl.describe?.(options(), networkContext());
    expect(described?.issuers).toEqual([{ chainPem: [ca.issuingPem] }]);
  });
});
