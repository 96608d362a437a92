import { AuthoritySource } from './authority.source.js';
import { CleanService } from './clean.service.js';
import { CounterpartSources } from './counterpart-sources.js';
import { DiscoveredRepository } from './discovered.repository.js';
import { Discovery } from './discovery.js';
import { EndpointReader } from './endpoint-reader.js';
import { FindingList } from './finding-list.js';
import { FindingStore } from './finding-store.js';
import { FoundDeliveries } from './found-deliveries.js';
import { FoundOwners } from './found-owners.js';
import { LoggedFindings } from './logged-findings.js';
import { SourceInventory } from './source-inventory.js';
import { SourceLinkRepository } from './source-link.repository.js';
import { StillServed } from './still-served.js';
import { StillServedRepository } from './still-served.repository.js';
import { SyncJob } from './sync.job.js';
import { SyncRecord } from './sync.record.js';

/** Scans of sources, and what becomes of their findings. */
export const discoveryProviders = [
  AuthoritySource,
  CleanService,
  CounterpartSources,
  DiscoveredRepository,
  Discovery,
  EndpointReader,
  FindingList,
  FindingStore,
  FoundDeliveries,
  FoundOwners,
  LoggedFindings,
  SourceInventory,
  SourceLinkRepository,
  StillServed,
  StillServedRepository,
  SyncJob,
  SyncRecord,
];
