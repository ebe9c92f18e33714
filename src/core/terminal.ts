// Characters by number, since a control character in a regular expression is more often a mistake.
const ESC = '\\x1b';
const C1_CSI = '\\x9b';
const BEL = '\\x07';
/** ECMA-48 §5.4 control sequences, §5.6 control strings (unfinished ones to the end of the text), §5.5 and ISO 2022 escapes. */
const SEQUENCES = new RegExp(
  [`(?:${ESC}\\[|${C1_CSI})[0-?]*[ -/]*[@-~]`, `${ESC}[P\\]X^_].*?(?:${BEL}|${ESC}\\\\|$)`, `${ESC}[ -/]*[0-Z\\\\^-~]`].join('|'),
  'gs',
);

/** The text without the control sequences that terminals act on (colours, cursor moves, window titles); single control characters stay. */
export function stripSequences(text: string): string {
  return text.replaceAll(SEQUENCES, '');
}
