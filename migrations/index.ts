import { Accounts1763700000001 } from './1763700000001-accounts.js';
import { Jobs1763700000002 } from './1763700000002-jobs.js';
import { Mail1763700000003 } from './1763700000003-mail.js';
import { Certificates1763700000004 } from './1763700000004-certificates.js';
import { AccountRights1763700000005 } from './1763700000005-account-rights.js';
import { Federation1763700000006 } from './1763700000006-federation.js';
import { Lists1763700000007 } from './1763700000007-lists.js';
import { DomainPolicy1763700000008 } from './1763700000008-domain-policy.js';
import { EndsOfCertificates1763700000009 } from './1763700000009-ends-of-certificates.js';
import { Sources1763700000010 } from './1763700000010-sources.js';
import { KeyHolders1763700000011 } from './1763700000011-key-holders.js';
import { AuditSearch1763700000012 } from './1763700000012-audit-search.js';
import { LemurImport1763700000013 } from './1763700000013-lemur-import.js';
import { IssuerAnswers1763700000014 } from './1763700000014-issuer-answers.js';
import { AuthorityNotices1763700000018 } from './1763700000018-authority-notices.js';
import { RightsOfLinks1763700000020 } from './1763700000020-rights-of-links.js';
import { BuiltInNotifications1763700000022 } from './1763700000022-built-in-notifications.js';
import { BoundsOfForeignText1763700000030 } from './1763700000030-bounds-of-foreign-text.js';
import { CsrAlone1763700000032 } from './1763700000032-csr-alone.js';
import { KeyWeakness1763700000033 } from './1763700000033-key-weakness.js';
import { RevokedLeave1763700000034 } from './1763700000034-revoked-leave.js';
import { RevokedAreReplaced1763700000035 } from './1763700000035-revoked-are-replaced.js';
import { VouchingRole1763700000036 } from './1763700000036-vouching-role.js';
import { RightsOfPlaces1763700000037 } from './1763700000037-rights-of-places.js';
import { AuditKeys1763700000038 } from './1763700000038-audit-keys.js';
import { KeptFacts1763700000061 } from './1763700000061-kept-facts.js';
import { PlansOfFunctions1763700000062 } from './1763700000062-plans-of-functions.js';
import { RowsThatStay1763700000066 } from './1763700000066-rows-that-stay.js';
import { NamesInGroups1763700000067 } from './1763700000067-names-in-groups.js';
import { PublicIds1763700000070 } from './1763700000070-public-ids.js';
import { RevocationLists1763700000071 } from './1763700000071-revocation-lists.js';
import { OcspResponders1763700000074 } from './1763700000074-ocsp-responders.js';
import { RevocationVersion1763700000075 } from './1763700000075-revocation-version.js';
import { NamedLists1763700000079 } from './1763700000079-named-lists.js';
import { FirstLists1763700000073 } from './1763700000073-first-lists.js';
import { ListsOfKeys1763700000072 } from './1763700000072-lists-of-keys.js';
import { LemurIds1763700000039 } from './1763700000039-lemur-ids.js';
import { JobLanes1763700000042 } from './1763700000042-job-lanes.js';
import { SigningKeys1763700000044 } from './1763700000044-signing-keys.js';
import { AuthorityIssuers1763700000045 } from './1763700000045-authority-issuers.js';
import { Orders1763700000046 } from './1763700000046-orders.js';
import { RenewalInfo1763700000047 } from './1763700000047-renewal-info.js';
import { Channels1763700000049 } from './1763700000049-channels.js';
import { NoticesOfEvents1763700000050 } from './1763700000050-notices-of-events.js';
import { DefaultSubscriptions1763700000051 } from './1763700000051-default-subscriptions.js';
import { NoticeClaims1763700000052 } from './1763700000052-notice-claims.js';
import { RolesOfFacts1763700000053 } from './1763700000053-roles-of-facts.js';
import { Labels1763700000054 } from './1763700000054-labels.js';
import { DoubtsAboutOrders1763700000055 } from './1763700000055-doubts-about-orders.js';
import { Held1763700000057 } from './1763700000057-held.js';
import { Challenges1763700000058 } from './1763700000058-challenges.js';
import { OneStatement1763700000060 } from './1763700000060-one-statement.js';
import { ChainsApart1763700000063 } from './1763700000063-chains-apart.js';
import { AuditSeals1763700000064 } from './1763700000064-audit-seals.js';
import { SmallerIndexes1763700000065 } from './1763700000065-smaller-indexes.js';
import { Profiles1763700000076 } from './1763700000076-profiles.js';
import { IdempotentRequests1763700000077 } from './1763700000077-idempotent-requests.js';
import { RevocationChecks1763700000080 } from './1763700000080-revocation-checks.js';
import { AuthorityCsrs1763700000084 } from './1763700000084-authority-csrs.js';
import { AuthoritiesCanGo1763700000085 } from './1763700000085-authorities-can-go.js';
import { Pkcs11Keys1763700000086 } from './1763700000086-pkcs11-keys.js';
import { RevocationRuns1763700000089 } from './1763700000089-revocation-runs.js';
import { ValidityBeyondCa1763700000090 } from './1763700000090-validity-beyond-ca.js';
import { ImportedCrls1763700000091 } from './1763700000091-imported-crls.js';
import { KeysOfIssuers1763700000083 } from './1763700000083-keys-of-issuers.js';
import { WhatKeepsAuthorities1763700000088 } from './1763700000088-what-keeps-authorities.js';
import { RevocationRunsOfCertificates1763700000092 } from './1763700000092-revocation-runs-of-certificates.js';
import { RevocationRunVersions1763700000093 } from './1763700000093-revocation-run-versions.js';
import { TlsAlpnChallenges1763700000094 } from './1763700000094-tls-alpn-challenges.js';
import { CrlParts1763700000095 } from './1763700000095-crl-parts.js';
import { NoticeLayout1763700000096 } from './1763700000096-notice-layout.js';
import { OnePlanForAllValues1763700000098 } from './1763700000098-one-plan-for-all-values.js';
import { MaintenanceWindows1763700000101 } from './1763700000101-maintenance-windows.js';
import { RenewalsWait1763700000102 } from './1763700000102-renewals-wait.js';
import { RenewalCalendar1763700000103 } from './1763700000103-renewal-calendar.js';
import { CertificateRuns1763700000104 } from './1763700000104-certificate-runs.js';
import { ExportSteps1763700000105 } from './1763700000105-export-steps.js';
import { VerifiedDeliveries1763700000106 } from './1763700000106-verified-deliveries.js';
import { CertificateFetches1763700000107 } from './1763700000107-certificate-fetches.js';
import { FiltersOfDestinations1763700000108 } from './1763700000108-filters-of-destinations.js';
import { HooksOfDestinations1763700000109 } from './1763700000109-hooks-of-destinations.js';
import { Acknowledgements1763700000110 } from './1763700000110-acknowledgements.js';
import { Escalations1763700000111 } from './1763700000111-escalations.js';
import { TimesOfChannels1763700000112 } from './1763700000112-times-of-channels.js';
import { LayoutsAndSummaries1763700000113 } from './1763700000113-layouts-and-summaries.js';
import { NextNotices1763700000114 } from './1763700000114-next-notices.js';
import { StaleFindings1763700000116 } from './1763700000116-stale-findings.js';
import { StillServed1763700000117 } from './1763700000117-still-served.js';
import { TaskRuns1763700000118 } from './1763700000118-task-runs.js';
import { NoticesOfRuns1763700000119 } from './1763700000119-notices-of-runs.js';
import { ClockWatch1763700000120 } from './1763700000120-clock-watch.js';
import { FindingsOfSources1763700000123 } from './1763700000123-findings-of-sources.js';
import { NoticesToldOnce1763700000127 } from './1763700000127-notices-told-once.js';
import { RenewalRetries1763700000129 } from './1763700000129-renewal-retries.js';
import { JobsByIdentity1763700000130 } from './1763700000130-jobs-by-identity.js';
import { ClockStepBacks1763700000131 } from './1763700000131-clock-step-backs.js';
import { NoticeReferences1763700000132 } from './1763700000132-notice-references.js';
import { DueRenewalsInOrder1763700000133 } from './1763700000133-due-renewals-in-order.js';
import { EndsOfSuggestedWindows1763700000134 } from './1763700000134-ends-of-suggested-windows.js';
import { ImportedAreAskedAbout1763700000135 } from './1763700000135-imported-are-asked-about.js';
import { ChecksOfTakenOverDeliveries1763700000137 } from './1763700000137-checks-of-taken-over-deliveries.js';
import { RoundsOfDeliveries1763700000138 } from './1763700000138-rounds-of-deliveries.js';
import { RefusedNotices1763700000140 } from './1763700000140-refused-notices.js';
import { UnreadEndpoints1763700000143 } from './1763700000143-unread-endpoints.js';

/** Every migration in order. Add at the end; never edit one that has been released. */
export const migrations = [
  Accounts1763700000001,
  Jobs1763700000002,
  Mail1763700000003,
  Certificates1763700000004,
  AccountRights1763700000005,
  Federation1763700000006,
  Lists1763700000007,
  DomainPolicy1763700000008,
  EndsOfCertificates1763700000009,
  Sources1763700000010,
  KeyHolders1763700000011,
  AuditSearch1763700000012,
  IssuerAnswers1763700000014,
  AuthorityNotices1763700000018,
  LemurImport1763700000013,
  RightsOfLinks1763700000020,
  BuiltInNotifications1763700000022,
  BoundsOfForeignText1763700000030,
  CsrAlone1763700000032,
  KeyWeakness1763700000033,
  RevokedLeave1763700000034,
  RevokedAreReplaced1763700000035,
  VouchingRole1763700000036,
  RightsOfPlaces1763700000037,
  AuditKeys1763700000038,
  LemurIds1763700000039,
  JobLanes1763700000042,
  SigningKeys1763700000044,
  AuthorityIssuers1763700000045,
  Orders1763700000046,
  RenewalInfo1763700000047,
  Channels1763700000049,
  NoticesOfEvents1763700000050,
  DefaultSubscriptions1763700000051,
  NoticeClaims1763700000052,
  RolesOfFacts1763700000053,
  Labels1763700000054,
  DoubtsAboutOrders1763700000055,
  Held1763700000057,
  Challenges1763700000058,
  OneStatement1763700000060,
  KeptFacts1763700000061,
  PlansOfFunctions1763700000062,
  ChainsApart1763700000063,
  AuditSeals1763700000064,
  SmallerIndexes1763700000065,
  RowsThatStay1763700000066,
  NamesInGroups1763700000067,
  PublicIds1763700000070,
  RevocationLists1763700000071,
  ListsOfKeys1763700000072,
  FirstLists1763700000073,
  OcspResponders1763700000074,
  RevocationVersion1763700000075,
  Profiles1763700000076,
  IdempotentRequests1763700000077,
  NamedLists1763700000079,
  RevocationChecks1763700000080,
  KeysOfIssuers1763700000083,
  AuthorityCsrs1763700000084,
  AuthoritiesCanGo1763700000085,
  Pkcs11Keys1763700000086,
  WhatKeepsAuthorities1763700000088,
  RevocationRuns1763700000089,
  ValidityBeyondCa1763700000090,
  ImportedCrls1763700000091,
  RevocationRunsOfCertificates1763700000092,
  RevocationRunVersions1763700000093,
  TlsAlpnChallenges1763700000094,
  CrlParts1763700000095,
  NoticeLayout1763700000096,
  OnePlanForAllValues1763700000098,
  MaintenanceWindows1763700000101,
  RenewalsWait1763700000102,
  RenewalCalendar1763700000103,
  CertificateRuns1763700000104,
  ExportSteps1763700000105,
  VerifiedDeliveries1763700000106,
  CertificateFetches1763700000107,
  FiltersOfDestinations1763700000108,
  HooksOfDestinations1763700000109,
  Acknowledgements1763700000110,
  Escalations1763700000111,
  TimesOfChannels1763700000112,
  LayoutsAndSummaries1763700000113,
  NextNotices1763700000114,
  StaleFindings1763700000116,
  StillServed1763700000117,
  TaskRuns1763700000118,
  NoticesOfRuns1763700000119,
  ClockWatch1763700000120,
  FindingsOfSources1763700000123,
  NoticesToldOnce1763700000127,
  RenewalRetries1763700000129,
  JobsByIdentity1763700000130,
  ClockStepBacks1763700000131,
  NoticeReferences1763700000132,
  DueRenewalsInOrder1763700000133,
  EndsOfSuggestedWindows1763700000134,
  ImportedAreAskedAbout1763700000135,
  ChecksOfTakenOverDeliveries1763700000137,
  RoundsOfDeliveries1763700000138,
  RefusedNotices1763700000140,
  UnreadEndpoints1763700000143,
];
