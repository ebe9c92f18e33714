import { type Layer, type LayerInput, maskUrls } from '../../core/index.ts';
import { actionBody } from '../../plan/explain.ts';
import type { LayerRecord } from './record.ts';

/** One input of a layer as it is remembered, so that a later build can say what differs. */
export type RecordedInput = LayerRecord['inputs'][number];

/** What to remember of a layer's inputs: for actions what counts of them as the plan prints it, nothing of it shortened, for others their text. */
export function recordedInputs(layer: Layer): readonly RecordedInput[] {
  return layer.inputs.map((input) => {
    const action = layer.actions.find(({ id }) => id === input.name);
    const lines = action === undefined ? linesOf(input) : actionBody(action, Number.POSITIVE_INFINITY);
    return {
      name: input.name,
      digest: input.digest,
      ...(action === undefined ? {} : { title: action.title }),
      lines: lines.map(maskUrls),
    };
  });
}

/** One line per member of an object, so that a diff names the one that differs. */
function linesOf({ text = '' }: LayerInput): readonly string[] {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) return text.split('\n');
  return Object.entries(value).map(([name, member]) => `${name}: ${JSON.stringify(member)}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
