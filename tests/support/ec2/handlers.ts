import type { FakeAws } from './fake.ts';
import { imageHandlers } from './images.ts';
import { instanceHandlers } from './instances.ts';
import { networkHandlers } from './networks.ts';
import { snapshotHandlers } from './snapshots.ts';
import type { FakeRegion, Tags } from './state.ts';
import { type Answer, list, type Param, type Params, text, texts } from './wire.ts';

export interface Call {
  readonly aws: FakeAws;
  readonly region: FakeRegion;
  readonly params: Params;
}

export type Handler = (call: Call) => Answer | Promise<Answer>;

export const HANDLERS: Readonly<Record<string, Handler>> = {
  ...imageHandlers,
  ...instanceHandlers,
  ...networkHandlers,
  ...snapshotHandlers,
};

/** The tags that a call gives to one kind of thing; kinds that the call does not make are refused. */
export function tagsFor(params: Params, type: string): Tags {
  const specification = list(params, 'TagSpecification').find((one) => text(one, 'ResourceType') === type);
  return Object.fromEntries(list(specification, 'Tag').map((tag) => [text(tag, 'Key') ?? '', text(tag, 'Value') ?? '']));
}

export function tagSet(tags: Tags): Answer[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

/** Whether a thing passes the filters of a call; `facts` are what can be filtered by, besides tags. */
export function passes(params: Params, tags: Tags, facts: Readonly<Record<string, string | undefined>>): boolean {
  return list(params, 'Filter').every((filter: Param) => {
    const name = text(filter, 'Name') ?? '';
    const wanted = texts(filter, 'Value');
    const value = name.startsWith('tag:') ? tags[name.slice(4)] : facts[name];
    if (!name.startsWith('tag:') && !(name in facts)) throw new Error(`the fake knows no filter ${name}`);
    return value !== undefined && wanted.some((pattern) => wildcard(pattern).test(value));
  });
}

function wildcard(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}
