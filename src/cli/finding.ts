/** What a look at one part gave. */
export interface Finding {
  part: string;
  state: 'ok' | 'fault' | 'skipped';
  text: string;
  /** One line: what the operator does about it. */
  advice?: string;
}

export const ok = (part: string, text: string): Finding => ({ part, state: 'ok', text });
export const skipped = (part: string, text: string): Finding => ({ part, state: 'skipped', text });
export const fault = (part: string, text: string, advice: string): Finding => ({ part, state: 'fault', text, advice });

/** `ok` with this text when there are no faults, else they. */
export function soundOr(part: string, faults: readonly Finding[], text: string): Finding[] {
  return faults.length === 0 ? [ok(part, text)] : [...faults];
}
