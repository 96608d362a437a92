/** The result of one check of `doctor`. */
export interface CheckResult {
  part: string;
  state: 'ok' | 'fault' | 'skipped';
  text: string;
  /** One line: how the operator corrects the fault. */
  advice?: string;
}

export const ok = (part: string, text: string): CheckResult => ({ part, state: 'ok', text });
export const skipped = (part: string, text: string): CheckResult => ({ part, state: 'skipped', text });
export const fault = (part: string, text: string, advice: string): CheckResult => ({
  part,
  state: 'fault',
  text,
  advice,
});

/** `ok` with this text if there are no faults, else the faults. */
export function faultsOrOk(part: string, faults: readonly CheckResult[], text: string): CheckResult[] {
  return faults.length === 0 ? [ok(part, text)] : [...faults];
}
