/** A row of a table that esxcli prints, by column. */
export type CsvRow = Readonly<Record<string, string>>;

/** Reads what `esxcli --formatter=csv` prints: a heading, then rows; each line ends with a comma of its own. */
export function parseCsv(text: string): readonly CsvRow[] {
  const [heading = [], ...rows] = records(text);
  return rows.map((row) =>
    Object.fromEntries(heading.flatMap((column, index) => (column === '' ? [] : [[column, row[index] ?? '']]))),
  );
}

/** RFC 4180: fields may be quoted, and then hold commas, quotation marks (doubled) and line feeds. */
function records(text: string): readonly (readonly string[])[] {
  const found: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain = '', end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/g)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    if (row.some((field) => field !== '')) found.push(row);
    row = [];
  }
  return found;
}
