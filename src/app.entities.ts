import { AuditEvent } from './audit/audit-event.entity.js';
import { AuditGap, AuditSeal, SentAuditAnchor, StoredAuditHead } from './audit/audit-seals.entity.js';
import { ApiKey } from './auth/api-key.entity.js';
import { UserIdentity } from './auth/federation/user-identity.entity.js';
import { Authority } from './authorities/authority.entity.js';
import { AuthorityCsr } from './authorities/authority-csr.entity.js';
import { AuthorityIssuer } from './authorities/authority-issuer.entity.js';
import { AuthorityState } from './authorities/authority-state.entity.js';
import { Certificate } from './certificates/certificate.entity.js';
import { Delivery } from './certificates/deploy/delivery.entity.js';
import { DestinationFilter } from './certificates/deploy/destination-filter.entity.js';
import { Order } from './certificates/issue/order.entity.js';
import { Acknowledgement } from './certificates/notify/acknowledgement.entity.js';
import { Notice } from './certificates/notify/notice.entity.js';
import { Withdrawal } from './certificates/withdraw/withdrawal.entity.js';
import { Challenge } from './challenges/challenge.entity.js';
import { DnsProvider } from './challenges/dns-provider.entity.js';
import { Destination } from './destinations/destination.entity.js';
import { DomainRule } from './domains/domain-rule.entity.js';
import { JobRun } from './jobs/job-run.entity.js';
import { TaskRun } from './jobs/task-run.entity.js';
import { OutboxEntry } from './jobs/outbox.entity.js';
import { Channel } from './notifications/channel.entity.js';
import { Subscription } from './notifications/subscription.entity.js';
import { IdempotentRequest } from './platform/http/idempotent-request.entity.js';
import { Mail } from './platform/mail/mail.entity.js';
import { SigningKey } from './platform/keys/signing-key.entity.js';
import { KeyRingCheck } from './platform/secrets/key-ring-check.entity.js';
import { Profile, ProfileVersion } from './profiles/profile.entity.js';
import { Role } from './roles/role.entity.js';
import { UserRole } from './roles/user-role.entity.js';
import { OcspResponder } from './revocation/ocsp/ocsp-responder.entity.js';
import { RotationPolicy } from './rotation/policy.entity.js';
import { Endpoint } from './sources/endpoint.entity.js';
import { SourceSync } from './sources/source-sync.entity.js';
import { Source } from './sources/source.entity.js';
import { User } from './users/user.entity.js';

/** Every entity of the program. */
export const entities = [
  ApiKey,
  AuditEvent,
  AuditGap,
  AuditSeal,
  Authority,
  AuthorityCsr,
  AuthorityIssuer,
  AuthorityState,
  Certificate,
  Challenge,
  Channel,
  Delivery,
  DestinationFilter,
  Destination,
  DnsProvider,
  Endpoint,
  DomainRule,
  IdempotentRequest,
  JobRun,
  TaskRun,
  KeyRingCheck,
  Mail,
  Acknowledgement,
  Notice,
  OcspResponder,
  Order,
  OutboxEntry,
  Profile,
  ProfileVersion,
  Role,
  RotationPolicy,
  SentAuditAnchor,
  SigningKey,
  Source,
  SourceSync,
  StoredAuditHead,
  Subscription,
  User,
  UserIdentity,
  UserRole,
  Withdrawal,
];
