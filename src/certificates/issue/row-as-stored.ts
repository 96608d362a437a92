import type { Actor } from '../../platform/http/actor.js';
import type { NewRow } from '../certificate.repository.js';
import type { CertificateRow } from '../certificate.row.js';
import type { Approved } from './approval.js';
import type { Stored } from './certificate-store.js';

// Builds the row of a new certificate for the response, so that issuing needs no query after the insert.

/** The members of a CertificateRow that are empty for every new certificate. */
const fresh = {
  attempts: 0,
  openOrder: null,
  withdrawals: [],
  answeredAt: null,
  fault: null,
  faultDetail: null,
  renewalAttempts: 0,
  renewalFault: null,
  renewalDetail: null,
  heldAt: null,
  revocationCheck: null,
  revokedAt: null,
  revocationReason: null,
  supersededAt: null,
  awaitsDeployment: false,
  deletedAt: null,
  destinations: [],
  endpoints: [],
  replaces: [],
  replaced: [],
};

/** The null columns that an insert leaves out. */
const absent = {
  description: null,
  bodyPem: null,
  chainPem: null,
  csrPem: null,
  keyWeakness: null,
  serialHex: null,
  sha256: null,
  signingAlgorithm: null,
  externalId: null,
  nextAttemptAt: null,
  renewalReason: null,
  nextRenewalAt: null,
  nextNoticeAt: null,
} satisfies Partial<NewRow>;

/**
 * The row of a new certificate as a query would return it, made without a query. Undefined when the certificate is not
 * issued yet, or has links that only a query can show.
 */
export function rowAsStored(
  row: NewRow,
  { id, name, domains }: Stored,
  actor: Actor,
  { authority: { authority, limits }, profile, relations }: Approved,
): CertificateRow | undefined {
  const { policy, roles, issuerRoleId, notifications, missing, destinationIds, replacesIds } = relations;
  const more = [destinationIds, replacesIds, missing.roles, missing.notifications].some((others) => others.length > 0);
  if (more || row.state !== 'issued') return undefined;
  const { sealedKey, ...open } = row;
  return {
    id,
    ...absent,
    ...open,
    ...fresh,
    name,
    readAt: row.createdAt,
    lemurId: row.lemurId ?? null,
    hasPrivateKey: sealedKey != null,
    roles: roles.map((role) => ({
      byIssuer: role.id === issuerRoleId && role.name.toLowerCase() !== row.owner.toLowerCase(),
      ...role,
    })),
    notifications,
    domains: domains.toSorted((a, b) => a.id - b.id),
    creator:
      row.creatorId === null ? null : { id: actor.userId, username: actor.username, email: actor.email, active: true },
    authority: { limits, ...authority },
    profile: profile && { id: profile.id, name: profile.name, version: profile.version },
    rotationPolicy: { id: policy.id, name: policy.name, days: policy.days, lifetimeFraction: policy.lifetimeFraction },
  };
}
