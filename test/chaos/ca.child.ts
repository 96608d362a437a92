import { parseCertificate } from '../../src/pki/certificate.js';
import { type Fate, ScriptedCa } from '../fakes/scripted-ca.js';
import { seeded } from '../support/seeded.js';
import { serve } from './remote.js';

/** What the CA knows of one order. */
export interface CaRecord {
  idempotencyKey: string;
  /** Null while it is not issued. */
  serialHex: string | null;
}

const fates: readonly Fate[] = ['fine', 'late', 'late', 'busy', 'lost', 'html'];

/** A CA elsewhere, which is late and loses answers while it is in trouble. */
async function main([seed = '0']: readonly string[]): Promise<void> {
  const ca = new ScriptedCa();
  const random = seeded(Number(seed));
  ca.deliver();
  ca.lateMs = () => 200 + random() * 4_000;
  serve({
    url: () => ca.url,
    trouble: (on: boolean) =>
      (ca.fate = () => (on ? (fates[Math.floor(random() * fates.length)] ?? 'fine') : 'fine')) && null,
    /** From now on every answer takes so many milliseconds. */
    late: (ms: number) => {
      ca.fate = () => 'late';
      ca.lateMs = () => ms;
    },
    /** Serial numbers, hex. */
    revoked: () => [...ca.revoked],
    orders: () =>
      ca.orders.map(({ request, chainPem }): CaRecord => ({
        idempotencyKey: request.idempotencyKey,
        serialHex: chainPem && parseCertificate(chainPem[0] ?? '').serialHex,
      })),
  });
}

void main(process.argv.slice(2));
