import { builtInRoles } from '../../roles/role-name.js';

/** Letters of other scripts that are drawn like a letter of the built-in names (Unicode TR39, confusables; the part that matters here). */
const drawnAlike: Readonly<Record<string, string>> = {
  а: 'a', ɑ: 'a', α: 'a', ԁ: 'd', ɗ: 'd', е: 'e', є: 'e', ҽ: 'e', ε: 'e', ɡ: 'g', ց: 'g', і: 'i', ı: 'i', ι: 'i', ӏ: 'l', 1: 'l', '|': 'l', ɩ: 'i', ⅼ: 'l',
  м: 'm', т: 't', τ: 't', ո: 'n', п: 'n', η: 'n', о: 'o', ο: 'o', օ: 'o', 0: 'o', р: 'p', ρ: 'p', г: 'r', ѕ: 's', ꜱ: 's', с: 'c', ϲ: 'c', ь: 'b', β: 'b', у: 'y', γ: 'y', ʏ: 'y',
  ү: 'y', ν: 'v',
};

/** What a name looks like: compatibility forms, accents, invisible characters, case, separators and letters drawn alike make no difference. */
function skeletonOf(name: string): string {
  const plain = name.normalize('NFKD').replace(/[\p{M}\p{Cf}\p{Cc}\p{Default_Ignorable_Code_Point}\p{Z}\p{P}\p{S}]/gu, (mark) => (mark === '|' ? mark : '')).toLowerCase();
  // An upper-case I and a lower-case l look the same, too.
  return [...plain].map((letter) => drawnAlike[letter] ?? letter).join('').replaceAll('l', 'i');
}

const builtIn = new Set([...Object.keys(builtInRoles), 'creator'].map(skeletonOf));

/** True for a built-in role and for every name that a person could take for one. */
export function looksBuiltIn(name: string): boolean {
  return builtIn.has(skeletonOf(name));
}
