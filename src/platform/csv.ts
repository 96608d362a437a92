/** A record of a CSV text, and the line on which it begins, from 1. */
export interface CsvRecord {
  line: number;
  fields: string[];
}

/** A place at which a text is not CSV; what follows it cannot be read. */
export interface CsvFault {
  line: number;
  detail: string;
}

const field = /"([^"]*(?:""[^"]*)*)"|[^",\r\n]*/y;
const end = /,|\r?\n|$/y;

/**
 * Reads CSV strictly by RFC 4180, with CRLF or LF at the ends of lines and with or without a byte order mark. Empty
 * lines are skipped. Returns the records up to the first fault, and that.
 */
export function readCsv(text: string): { records: CsvRecord[]; fault: CsvFault | null } {
  const records: CsvRecord[] = [];
  let at = text.startsWith('\ufeff') ? 1 : 0;
  let line = 1;
  let record: CsvRecord = { line, fields: [] };
  for (;;) {
    field.lastIndex = at;
    const [whole = '', quoted] = field.exec(text) ?? [];
    end.lastIndex = at + whole.length;
    const [ending] = end.exec(text) ?? [];
    if (ending === undefined) return { records, fault: { line, detail: faultAt(text, at, quoted) } };
    record.fields.push(quoted?.replaceAll('""', '"') ?? whole);
    line += whole.split('\n').length - 1;
    at = end.lastIndex;
    if (ending === ',') continue;
    if (record.fields.length > 1 || whole !== '') records.push(record);
    if (ending === '') return { records, fault: null };
    line += 1;
    record = { line, fields: [] };
  }
}

function faultAt(text: string, at: number, quoted: string | undefined): string {
  if (quoted !== undefined) return 'There is text behind a closing quote.';
  if (text[at] === '"') return 'A quote is not closed.';
  return 'A quote or a carriage return stands within a field that is not quoted.';
}
