import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseCertificate } from '../certificate.js';
import { parseCrl } from '../crl-reader.js';
import { statusByCrl } from '../crl-status.js';
import { extendedKeyUsageOid } from '../extensions.js';
import { sameName } from '../names.js';
import { PkiError } from '../pki-error.js';
import type { Strictness } from './faults.js';
import { namedSan } from './server-name.js';
import { verifyPath } from './verify-path.js';

const caseSchema = z.object({
  id: z.string(),
  validation_kind: z.enum(['SERVER', 'CLIENT']),
  trusted_certs: z.array(z.string()),
  untrusted_intermediates: z.array(z.string()),
  peer_certificate: z.string(),
  validation_time: z.string().nullable(),
  extended_key_usage: z.array(z.string()),
  expected_result: z.enum(['SUCCESS', 'FAILURE']),
  expected_peer_name: z.object({ value: z.string() }).nullable(),
  max_chain_depth: z.number().nullable(),
  crls: z.array(z.string()).default([]),
});
type Case = z.infer<typeof caseSchema>;

const file = join(__dirname, '../../../test/fixtures/x509-limbo/limbo.json');
const { testcases: cases } = z.object({ testcases: z.array(caseSchema) }).parse(JSON.parse(readFileSync(file, 'utf8')));

/** The day on which the cases were published; those without a time are meant for "now". */
const published = '2026-06-29T00:00:00Z';

/** The first part of a name says by which rules the case is to be judged. */
const strictnessOf: Readonly<Record<string, Strictness>> = {
  crl: 'rfc5280',
  rfc5280: 'rfc5280',
  webpki: 'webpki',
  online: 'webpki',
  cve: 'path',
  pathlen: 'path',
  pathological: 'path',
};

/** Where we disagree, and why. A case that agrees again must be taken out. */
const commonName =
  'The common name example.com is no copy of a SAN, which the Baseline Requirements §7.1.4.3 and nine cases of ' +
  'webpki::cn demand.';
const deviations: Readonly<Record<string, string>> = {
  'webpki::nc::nc-permits-dns-san-pattern': commonName,
  'webpki::san::exact-localhost-ip-san': commonName,
  'webpki::san::leftmost-wildcard-san': commonName,
};

async function verdictOn(limbo: Case): Promise<'SUCCESS' | 'FAILURE'> {
  const purposes = limbo.extended_key_usage.length > 0 ? limbo.extended_key_usage : [purposeOf(limbo)];
  const at = new Date(limbo.validation_time ?? published);
  const strictness = strictnessOf[limbo.id.split('::')[0] ?? ''] ?? 'path';
  try {
    const { valid, path } = await verifyPath(
      {
        leaf: parseCertificate(limbo.peer_certificate),
        intermediates: limbo.untrusted_intermediates.map((pem) => parseCertificate(pem)),
        anchors: limbo.trusted_certs.map((pem) => parseCertificate(pem)),
      },
      {
        at,
        strictness,
        purposes: purposes.map((purpose) => extendedKeyUsageOid(purpose)),
        policies: {},
        name: limbo.expected_peer_name ? namedSan(limbo.expected_peer_name.value) : undefined,
        mostIntermediates: limbo.max_chain_depth ?? undefined,
      },
    );
    const [certificate, issuer] = path;
    if (!valid || !certificate) return 'FAILURE';
    const crls = limbo.crls.map((pem) => parseCrl(Buffer.from(pem)));
    const own = crls.filter(({ issuerDer }) => sameName(issuerDer, certificate.issuerDer));
    const answers = own.map((crl) => statusByCrl(crl, { certificate, issuer: issuer ?? certificate, at, strictness }));
    return (await Promise.all(answers)).every(({ status }) => status === 'good') ? 'SUCCESS' : 'FAILURE';
  } catch (error) {
    if (error instanceof PkiError) return 'FAILURE';
    throw error;
  }
}

function purposeOf({ validation_kind: kind }: Case): string {
  return kind === 'SERVER' ? 'serverAuth' : 'clientAuth';
}

describe('x509-limbo', () => {
  it('holds all of its cases', () => {
    expect(cases).toHaveLength(207);
  });

  it.each(cases.map((limbo) => [limbo.id, limbo] as const))('%s', async (id, limbo) => {
    const agrees = (await verdictOn(limbo)) === limbo.expected_result;
    expect(agrees, deviations[id] ?? 'not among the deviations').toBe(!(id in deviations));
  });

  it('knows every case among the deviations', () => {
    const ids = cases.map(({ id }) => id);
    expect(Object.keys(deviations).filter((id) => !ids.includes(id))).toEqual([]);
  });
});
