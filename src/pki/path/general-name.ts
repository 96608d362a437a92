import { type DerReader, Tag } from '../der/reader.js';

/** A GeneralName as it is encoded (RFC 5280 §4.2.1.6): `content` is a directoryName's Name, and else the octets. */
export interface GeneralName {
  kind: GeneralNameKind;
  content: Buffer;
}

export type GeneralNameKind =
  'otherName' | 'email' | 'dns' | 'x400Address' | 'directoryName' | 'ediPartyName' | 'uri' | 'ip' | 'registeredId';

const KINDS: ReadonlyMap<number, GeneralNameKind> = new Map([
  [0xa0, 'otherName'],
  [0x81, 'email'],
  [0x82, 'dns'],
  [0xa3, 'x400Address'],
  [0xa4, 'directoryName'],
  [0xa5, 'ediPartyName'],
  [0x86, 'uri'],
  [0x87, 'ip'],
  [0x88, 'registeredId'],
]);

/** Reads the next GeneralName. Throws DerError, also for a tag that is none of its choices. */
export function readGeneralName(reader: DerReader): GeneralName {
  const kind = KINDS.get(reader.peek() ?? 0);
  if (kind === 'directoryName') {
    const name = reader.enter(0xa4);
    const content = name.raw(Tag.sequence);
    name.end();
    return { kind, content };
  }
  const content = reader.content(kind ? undefined : Tag.null);
  return { kind: kind ?? 'otherName', content };
}
