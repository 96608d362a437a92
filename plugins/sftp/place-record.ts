/**
 * What the plugin notes beside the main file of a place: which certificate is in which content of that file, since not
 * every format shows it, whether the command after a change is still to be run, and whether the server keeps modes.
 */
export interface PlaceRecord {
  /** SHA-256 of a content of the main file, and the SHA-256 fingerprint of its certificate, both in hex. */
  contents: readonly { sha256Hex: string; fingerprintHex: string }[];
  isCommandDue: boolean;
  /** False when files do not have the mode and the owner that was set. */
  keepsModes: boolean;
}

export const noRecord: PlaceRecord = { contents: [], isCommandDue: false, keepsModes: true };

const due = 'command due';
const modeless = 'modes not kept';

/** Lines that a person can read; lines that are none of a record are passed over. */
export function parseRecord(text: string): PlaceRecord {
  const lines = text.split('\n');
  return {
    contents: lines
      .map((line) => /^([0-9a-f]{64}) ([0-9a-f]{64})$/.exec(line))
      .filter((found) => found !== null)
      .map(([, sha256Hex = '', fingerprintHex = '']) => ({ sha256Hex, fingerprintHex })),
    isCommandDue: lines.includes(due),
    keepsModes: !lines.includes(modeless),
  };
}

export function recordText({ contents, isCommandDue, keepsModes }: PlaceRecord): string {
  const lines = contents.map(({ sha256Hex, fingerprintHex }) => `${sha256Hex} ${fingerprintHex}`);
  return [...lines, ...(isCommandDue ? [due] : []), ...(keepsModes ? [] : [modeless]), ''].join('\n');
}

/** The fingerprint of the certificate in this content of the main file; undefined when nothing was noted of it. */
export function certificateIn(record: PlaceRecord, sha256Hex: string): string | undefined {
  return record.contents.find((content) => content.sha256Hex === sha256Hex)?.fingerprintHex;
}
