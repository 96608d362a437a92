/** The contents of each such element, in order, of the outermost ones where they stand in one another. */
export function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  let [depth, from] = [0, 0];
  for (const mark of xml.matchAll(new RegExp(`<(/?)${name}(?:\\s[^>]*?)?(/?)>`, 'g'))) {
    const [whole, isEnd, isEmpty] = mark;
    if (isEmpty) {
      if (depth === 0) found.push('');
      continue;
    }
    if (!isEnd && depth === 0) from = mark.index + whole.length;
    depth += isEnd ? -1 : 1;
    if (isEnd && depth === 0) found.push(xml.slice(from, mark.index));
    if (depth < 0) return found;
  }
  return found;
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The text of the first such element; undefined when there is none. */
export function textOf(xml: string, name: string): string | undefined {
  const [content] = elements(xml, name);
  return content?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, word = '') => {
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return entities[String(word)] ?? (Number.isInteger(code) && code <= 0x10ffff ? String.fromCodePoint(code) : whole);
  });
}

/** Text as it may stand in XML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
