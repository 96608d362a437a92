import { createHash } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Destinations } from '../../destinations/destinations.js';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Leases } from '../../jobs/lease.js';
import { Postponed } from '../../jobs/postponed.js';
import type { DeliveredFile, PlacedRequest, Round } from '../../plugin-api/destination.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { ExportedFile } from '../../plugin-api/export.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import { Bundles } from '../bundle.js';
import type { Certificate } from '../certificate.entity.js';
import { isCutOff, isExpected } from '../failure.js';
import type { Delivery } from './delivery.entity.js';
import { type Attempt, DeployRecord, kindOf } from './deploy.record.js';
import { DeliveryChecks } from './delivery-checks.js';
import { deployCertificate } from './deploy.sweep.js';
import { checkIntervalMs } from './verification.js';

/** Shorter than the lease of a run, so that the run that takes over after a crash finds the location free. */
const leaseS = 20;
const postponedS = 5;

/** Handles the job of a delivery: writes the certificate to the destination or removes it, one attempt per location. */
@Injectable()
export class DeployJob implements OnModuleInit {
  private readonly logger = new Logger('deploy');

  constructor(
    private readonly jobs: Jobs,
    private readonly destinations: Destinations,
    private readonly record: DeployRecord,
    private readonly bundles: Bundles,
    private readonly leases: Leases,
    private readonly checks: DeliveryChecks,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(deployCertificate, (data, context) => this.run(data.deliveryId, context));
  }

  private async run(deliveryId: number, { signal }: JobContext): Promise<void> {
    const attempt = await this.record.begin(deliveryId, async (tx, delivery, certificate) => {
      try {
        return await this.prepare(tx, delivery, certificate);
      } catch (error) {
        if (!isExpected(error)) this.logger.error(error);
        throw error;
      }
    });
    if (!attempt) return;
    try {
      await this.alone(attempt, signal);
    } catch (error) {
      if (error instanceof Postponed || isCutOff(signal, error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      await this.record.failed(attempt, error);
    }
  }

  /** Works under the lease of the location. Throws Postponed while another attempt holds it. */
  private async alone(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const place = this.placeOf(attempt);
    const act = (lost: AbortSignal): Promise<void> => this.act(attempt, place, AbortSignal.any([signal, lost]));
    if (await this.leases.withLease(leaseName(attempt, place), leaseS, act)) return;
    throw new Postponed(`Another delivery is at the location of delivery ${attempt.deliveryId}.`, postponedS);
  }

  private async prepare(tx: Tx, delivery: Delivery, certificate: Certificate): Promise<Attempt> {
    const target = await this.destinations.get(tx, delivery.destinationId);
    const kind = kindOf(delivery) ?? 'deliver';
    const withKey = target.needsPrivateKey && kind === 'deliver' && certificate.sealedKey !== null;
    return {
      kind,
      deliveryId: delivery.id,
      certificateId: certificate.id,
      owner: certificate.owner,
      round: delivery.round,
      location: delivery.location,
      everyMs: checkIntervalMs(this.config),
      target,
      bundle: withKey ? this.bundles.toDeliver(certificate) : this.bundles.public(certificate),
    };
  }

  /** The location that the attempt locks. A removal also works when the options give no location any more. */
  private placeOf({ kind, target, bundle, location }: Attempt): string {
    try {
      return this.destinations.locate(target, bundle);
    } catch (error) {
      if (kind === 'remove' && isExpected(error)) return location ?? '';
      throw error;
    }
  }

  private async act(attempt: Attempt, place: string, signal: AbortSignal): Promise<void> {
    const delivery = await this.record.findWanted(attempt);
    if (!delivery) return;
    const round = `${delivery.id}.${attempt.round}`;
    // A delivery that crashed may have written the certificate without storing its location.
    const placed = { location: delivery.location ?? place, files: delivery.files ?? [], round };
    if (attempt.kind === 'remove') await this.remove(attempt, placed, signal);
    else if (attempt.kind === 'hook') await this.hook(attempt, placed.location, delivery.deliveredAt, signal);
    else if (attempt.kind === 'check') await this.check(attempt, placed, delivery.deliveredAt, signal);
    else await this.deliver(attempt, place, round, signal);
  }

  private async deliver(attempt: Attempt, place: string, round: Round, signal: AbortSignal): Promise<void> {
    const { target, bundle } = attempt;
    if (target.needsPrivateKey && !bundle.privateKeyPem) {
      throw new PluginError('misconfigured', `${target.plugin.title} needs the private key, which is not kept here.`);
    }
    const other = await this.record.findOtherAt(attempt, place);
    if (other)
      throw new PluginError(
        'misconfigured',
        other.owner === attempt.owner
          ? `Certificate ${other.name} stands at ${place} already; detach it or let this one replace it.`
          : `A certificate of another owner stands at ${place} already: the first keeps the place. Ask an ` +
              'administrator, or have this one delivered under another name.',
      );
    const request = await this.destinations.prepare(target, { bundle, round }, signal);
    const files = request.files.map(digestOf);
    if (files.length > 0) await this.record.sending(attempt, files);
    const location = await this.destinations.deliver(target, request, signal);
    if (location === '') throw new PluginError('unavailable', `${target.plugin.title} did not say where it is now.`);
    const hasHook = target.destination.hookPluginId !== null;
    const placed = { location, bundle: request.bundle, files, round };
    await this.record.arrived(attempt, location, hasHook ? null : await this.checks.check(target, placed, signal));
  }

  /** A job of its own: a receiver that is down causes no second delivery. */
  private async hook(attempt: Attempt, location: string, deliveredAt: Date | null, signal: AbortSignal): Promise<void> {
    const { deliveryId, certificateId: id, target, bundle } = attempt;
    if (deliveredAt === null) return;
    const { name, commonName, serialHex: serialNumber } = bundle;
    const certificate = { id, name, commonName, serialNumber };
    await this.destinations.runHook(target, { deliveryId, location, deliveredAt, certificate }, signal);
    await this.record.hooked(attempt, deliveredAt);
  }

  private async check(
    attempt: Attempt,
    placed: Omit<PlacedRequest, 'bundle'>,
    deliveredAt: Date | null,
    signal: AbortSignal,
  ): Promise<void> {
    const { target, bundle } = attempt;
    const finding = await this.checks.check(target, { ...placed, bundle }, signal);
    await this.record.checked(attempt, deliveredAt, finding);
  }

  private async remove(attempt: Attempt, placed: Omit<PlacedRequest, 'bundle'>, signal: AbortSignal): Promise<void> {
    const { target, bundle } = attempt;
    const isGone = await this.destinations.remove(target, { ...placed, bundle }, signal);
    // When a plugin cannot remove it, a successor at the same location has overwritten it.
    if (isGone || (await this.record.findOtherAt(attempt, placed.location))) await this.record.removed(attempt);
    else await this.record.left(attempt);
  }
}

function digestOf({ name, bytes, mode }: ExportedFile): DeliveredFile {
  return { name, sha256Hex: createHash('sha256').update(bytes).digest('hex'), mode };
}

/** The name of the lease of a location, which is hashed because its length has no limit. */
function leaseName({ target }: Attempt, place: string): string {
  return `deliver:${target.destination.id}:${createHash('sha256').update(place).digest('hex')}`;
}
