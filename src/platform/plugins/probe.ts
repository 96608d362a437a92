import { z } from 'zod';
import { PluginError } from '../../plugin-api/errors.js';

const timeoutMs = 15_000;

/** What a probe found. */
export const ProbeView = z
  .object({ ok: z.boolean(), fault: z.string().nullable(), detail: z.string().nullable() })
  .meta({ id: 'Probe' });
export type ProbeView = z.output<typeof ProbeView>;

/** Tries something out that changes nothing. A PluginError is a finding, for anything else there is no excuse. */
export async function probed(work: (signal: AbortSignal) => Promise<void>): Promise<ProbeView> {
  try {
    await work(AbortSignal.timeout(timeoutMs));
    return { ok: true, fault: null, detail: null };
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    return { ok: false, fault: error.fault, detail: error.detail };
  }
}
