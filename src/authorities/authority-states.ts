import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { AuthorityMemory } from '../plugin-api/issuer.js';
import { Database } from '../platform/db/database.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { Sealed } from '../platform/secrets/sealed.js';
import { AuthorityState } from './authority-state.entity.js';

const longestState = 65_536;

/** Keeps what issuers remember of their authorities, sealed. */
@Injectable()
export class AuthorityStates {
  constructor(
    private readonly db: Database,
    private readonly keyRing: KeyRing,
  ) {}

  /** For one call of an issuer. */
  async memoryOf(authorityId: number): Promise<AuthorityMemory> {
    let known = await this.find(authorityId);
    const state = known && this.open(known);
    return {
      ...(state !== null && { authorityState: state }),
      saveAuthority: async (next) => {
        if (next.length > longestState)
          throw new Error(`What an issuer remembers has at most ${longestState} characters.`);
        const stored = known ? await this.replace(known, next) : await this.add(authorityId, next);
        known = await this.find(authorityId);
        return stored || !known ? next : this.open(known);
      },
    };
  }

  private find(authorityId: number): Promise<AuthorityState | null> {
    return this.db.single.findOneBy(AuthorityState, { authorityId });
  }

  private open({ sealedState, secretId }: AuthorityState): string {
    return this.keyRing.open(sealedState, placeOf(secretId)).toString();
  }

  private async add(authorityId: number, next: string): Promise<boolean> {
    const secretId = randomUUID();
    const added: unknown[] = await this.db.single.query(
      `insert into authority_state (authority_id, secret_id, sealed_state) values ($1, $2, $3)
       on conflict do nothing returning id`,
      [authorityId, secretId, this.seal(next, secretId).bytes],
    );
    return added.length === 1;
  }

  private async replace({ id, secretId, sealedState }: AuthorityState, next: string): Promise<boolean> {
    const [replaced]: [unknown[], number] = await this.db.single.query(
      'update authority_state set sealed_state = $3 where id = $1 and sealed_state = $2 returning id',
      [id, sealedState.bytes, this.seal(next, secretId).bytes],
    );
    return replaced.length === 1;
  }

  private seal(state: string, secretId: string): Sealed {
    return this.keyRing.seal(state, placeOf(secretId));
  }
}

function placeOf(secretId: string): string {
  return `authority_state.sealed_state.${secretId}`;
}
