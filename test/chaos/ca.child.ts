import { setTimeout as sleep } from 'node:timers/promises';
import { parseCertificate } from '../../src/pki/certificate.js';
import { spkiHash } from '../../src/pki/key.js';
import { type Fate, ScriptedCa } from '../fakes/scripted-ca.js';
import { lies } from '../fakes/scripted-lies.js';
import { seeded } from '../support/seeded.js';
import { serve } from './remote.js';

/** What the CA knows of one order. */
export interface CaRecord {
  idempotencyKey: string;
  /** SHA-256 of the public key for which it was ordered, hex. */
  keyHash: string;
  /** Null when it was not issued. */
  serialHex: string | null;
  /** What it issued, or will, is not what was asked for. */
  isLie: boolean;
}

/** Answers that only a person can decide about. */
const told = ['wrong-key', 'other-names', 'longer', 'other-signature'] as const;
const fates: readonly Fate[] = ['fine', 'late', 'late', 'busy', 'lost', 'html'];
const patienceMs = 10_000;

/** A CA elsewhere, which issues at once, and is late and loses answers while it is in trouble. */
async function main([seed = '0']: readonly string[]): Promise<void> {
  const ca = new ScriptedCa();
  const random = seeded(Number(seed));
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  ca.deliver();
  ca.isPrompt = true;
  ca.lateMs = () => 200 + random() * 4_000;
  let isLying = false;
  ca.behaviourFor = ({ behaviour }) => (isLying && behaviour === 'pending' ? oneOf(told) : behaviour);
  serve({
    url: () => ca.url,
    trouble: (on: boolean) => (ca.fate = () => (on ? oneOf(fates) : 'fine')) && null,
    lie: (on: boolean) => (isLying = on) && null,
    /** Takes the next orders and never answers them. True when it has taken one. */
    keepAnswers: async () => {
      const before = ca.orders.length;
      const end = performance.now() + patienceMs;
      ca.fate = (verb) => (verb === 'order' ? 'hangs' : 'fine');
      while (ca.orders.length === before && performance.now() < end) await sleep(10);
      ca.fate = () => 'fine';
      return ca.orders.length > before;
    },
    /** From now on every answer takes so many milliseconds. */
    late: (ms: number) => {
      ca.fate = () => 'late';
      ca.lateMs = () => ms;
    },
    /** Serial numbers, hex. */
    revoked: () => [...ca.revoked],
    orders: () =>
      ca.orders.map(({ request, chainPem, behaviour }): CaRecord => ({
        idempotencyKey: request.idempotencyKey,
        keyHash: spkiHash(request.spkiDer),
        serialHex: chainPem && parseCertificate(chainPem[0] ?? '').serialHex,
        isLie: behaviour in lies,
      })),
  });
}

void main(process.argv.slice(2));
