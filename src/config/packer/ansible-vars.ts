/** Names and values of Ansible's extra variables: `a=1 b="two words"` or a JSON object. Undefined for anything else. */
export function readAnsibleVars(text: string): readonly (readonly [name: string, value: string])[] | undefined {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return fromJson(trimmed);
  const pairs: [string, string][] = [];
  for (const word of shellWords(trimmed) ?? ['']) {
    const equals = word.indexOf('=');
    if (equals < 1) return undefined;
    pairs.push([word.slice(0, equals), word.slice(equals + 1)]);
  }
  return pairs;
}

function fromJson(text: string): readonly (readonly [string, string])[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.entries(value).map(([name, member]) => [name, plain(member)]);
  } catch {
    return undefined;
  }
}

/** Lists of names become names apart by commas; null becomes nothing. */
export function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(',');
  return JSON.stringify(value);
}

/** Words as a shell splits them; undefined for a quote that is not closed. */
export function shellWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const letter = text.charAt(index);
    if (quote !== '') {
      if (letter === quote) quote = '';
      else if (letter === '\\' && quote === '"' && /["\\$`]/.test(text.charAt(index + 1))) word += text.charAt(++index);
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      word ??= '';
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + (letter === '\\' ? text.charAt(++index) : letter);
    }
  }
  if (quote !== '') return undefined;
  return word === undefined ? words : [...words, word];
}
