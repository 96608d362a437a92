import type { FoundCertificate, FoundEndpoint, FoundTrouble, Report } from '../../plugin-api/source.js';
import { PkiError } from '../../pki/pki-error.js';
import type { SeenEndpoint } from '../../sources/endpoint.repository.js';
import type { Source } from '../../sources/source.entity.js';
import { storable, indexable } from '../../platform/text.js';
import { OwnerName } from '../../roles/role-name.js';
import { readFound, type Uploaded } from '../import/uploaded.js';
import { type IssuedFacts, issuedFacts } from '../issued-facts.js';

/** A certificate that a source has found, and where. `facts` are its parsed fields. */
export interface Finding {
  location: string;
  externalId: string | null;
  owner: string;
  uploaded: Uploaded;
  facts: IssuedFacts;
  /** True when a log shows that it was issued; it may be a precertificate. */
  logged: boolean;
  /** The authority here that issued it, if the source knows one, and the CA certificate that signed it. */
  issuedBy?: { authorityId: number; issuerPem: string };
}

/**
 * The parsed reports of a source, by kind. Each endpoint lacks its `certificateId`: the certificate that it serves is
 * the finding with this fingerprint.
 */
export interface Findings {
  certificates: Finding[];
  endpoints: SeenEndpoint[];
  troubles: FoundTrouble[];
  /** The last position that the source reported; null without one. */
  position: string | null;
}

const mostText = 500;

/**
 * Parses the reports of a source. A certificate that cannot be parsed becomes a trouble and does not affect the others.
 * `allows` tells whether an owner that the source reports may be used; otherwise the owner of the source is.
 */
export async function readFindings(
  source: Source,
  found: readonly Report[],
  allows: (owner: string) => boolean,
): Promise<Findings> {
  const findings: Findings = { certificates: [], endpoints: [], troubles: [], position: null };
  const reading = { source, allows, parsed: new Map() };
  for (const one of found) {
    if (one.kind === 'trouble') findings.troubles.push(one);
    else if (one.kind === 'position') findings.position = one.position;
    else if (one.kind === 'certificate') await readCertificate(findings, reading, one);
    else await readEndpoint(findings, reading, one);
  }
  return findings;
}

type Parsed = Pick<Finding, 'uploaded' | 'facts'>;

interface Reading {
  source: Source;
  allows: (owner: string) => boolean;
  /** By the PEM of the chain: many endpoints serve the same one. Without those that have a private key. */
  parsed: Map<string, Parsed>;
}

async function readCertificate(
  findings: Findings,
  { source, allows, parsed }: Reading,
  found: Omit<FoundCertificate, 'kind'>,
): Promise<Finding | null> {
  try {
    const { uploaded, facts } = await parse(found, parsed);
    const owner = OwnerName.safeParse(found.owner);
    const finding = {
      location: found.location,
      externalId: found.externalId ?? null,
      owner: owner.success && allows(owner.data) ? owner.data : source.owner,
      uploaded,
      facts,
      logged: found.logged ?? false,
    };
    findings.certificates.push(finding);
    return finding;
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    findings.troubles.push({
      kind: 'trouble',
      location: found.location,
      detail: `The certificate cannot be read: ${error.message}`,
    });
    return null;
  }
}

async function parse(
  { chainPem, privateKeyPem }: Pick<FoundCertificate, 'chainPem' | 'privateKeyPem'>,
  parsed: Map<string, Parsed>,
): Promise<Parsed> {
  const key = chainPem.join('');
  const known = privateKeyPem === undefined ? parsed.get(key) : undefined;
  if (known) return known;
  const uploaded = await readFound(chainPem, privateKeyPem);
  const one = { uploaded, facts: issuedFacts(uploaded.chainPem) };
  if (privateKeyPem === undefined) parsed.set(key, one);
  return one;
}

async function readEndpoint(findings: Findings, reading: Reading, found: FoundEndpoint): Promise<void> {
  const { externalId, port, name, dnsName, type, aliases, chainPem, protocol, cipher, policy } = found;
  const served =
    chainPem.length === 0 ? null : await readCertificate(findings, reading, { location: externalId, chainPem });
  findings.endpoints.push({
    externalId: indexable(externalId),
    port,
    name: storable(name, mostText),
    dnsName: storable(dnsName, mostText),
    owner: reading.source.owner,
    type,
    aliases: [...aliases],
    protocol,
    cipher,
    policyName: policy.name,
    ciphers: [...policy.ciphers],
    certificateId: null,
    servedSha256: served?.facts.sha256 ?? null,
    servedSerialHex: served?.facts.serialHex ?? null,
    servedNotAfter: served?.facts.notAfter ?? null,
  });
}
