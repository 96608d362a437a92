import { Injectable } from '@nestjs/common';
import type { Authority } from '../../authorities/authority.entity.js';
import { AuthorityRepository, viewerOf } from '../../authorities/authority.repository.js';
import { AuthoritySerialRepository } from '../../authorities/authority-serial.repository.js';
import { serialHexOf } from '../../pki/serial.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';

/** Twenty octets (RFC 5280 §4.1.2.2), and room for what others have written. */
const serial = /^[0-9a-f]{1,128}$/i;

/** `0a:bc` → `ABC`. Null for what is no serial number. */
export function serialHexIn(text: string): string | null {
  const digits = text.replaceAll(':', '');
  return serial.test(digits) ? serialHexOf(BigInt(`0x${digits}`)) : null;
}

/** The active authorities that an actor may see, which are the enabled CAs of this dialect. */
@Injectable()
export class AuthoritiesBySerial {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly serials: AuthoritySerialRepository,
    private readonly authorities: AuthorityRepository,
  ) {}

  /** In order of id. */
  async list(actor: Actor, withExpired: boolean): Promise<Authority[]> {
    const all = await this.serials.active(this.db.single, viewerOf(actor));
    return all.filter(({ notAfter }) => withExpired || notAfter > this.clock.now());
  }

  /**
   * By the serial number of its present certificate, else of an earlier one; hex with or without colons and leading
   * zeros. Throws Problem `not-found`, and `conflict` when several CAs have certificates of this number.
   */
  async get(actor: Actor, text: string): Promise<Authority> {
    const serialHex = serialHexIn(text);
    const found = serialHex === null ? [] : await this.serials.find(this.db.single, serialHex, viewerOf(actor));
    const [first, second] = found;
    if (first === undefined) throw new Problem('not-found', `There is no authority with the serial number ${text}.`);
    if (second?.isPresent === first.isPresent)
      throw new Problem('conflict', `Several CAs have certificates with the serial number ${text}.`);
    return this.authorities.get(this.db.single, first.id);
  }

  /** As `get`, of an authority that has not expired. */
  async getUsable(actor: Actor, text: string): Promise<Authority> {
    const authority = await this.get(actor, text);
    if (authority.notAfter > this.clock.now()) return authority;
    throw new Problem('not-found', `The authority with the serial number ${text} has expired.`);
  }
}
