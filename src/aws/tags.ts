import type { ResourceType, Tag, TagSpecification } from '@aws-sdk/client-ec2';

/** Which build made a thing. */
export const BUILD_TAG = 'kib-native:build';
/** What the build's journal calls it: found by this, even when nobody heard its id. */
export const RESOURCE_TAG = 'kib-native:resource';
/** When whoever meets it may remove it, whatever became of the build: ISO 8601. Gone from what is kept. */
export const EXPIRES_TAG = 'kib-native:expires';

export interface Tagging {
  readonly buildId: string;
  /** Value of RESOURCE_TAG. */
  readonly resource: string;
  /** Value of EXPIRES_TAG. */
  readonly expires: string;
  readonly name: string;
  /** The user's. */
  readonly tags: Readonly<Record<string, string>>;
}

/** The tags of a thing; the user's win over the name alone. */
export function tagsOf({ buildId, resource, expires, name, tags }: Tagging): Tag[] {
  const all = {
    Name: name,
    ...tags,
    [BUILD_TAG]: buildId,
    [RESOURCE_TAG]: resource,
    [EXPIRES_TAG]: expires,
  };
  return Object.entries(all).map(([Key, Value]) => ({ Key, Value }));
}

/** The same tags for several kinds of things that one call makes; `more` are of that kind alone. */
export function tagged(
  types: readonly ResourceType[],
  tagging: Tagging,
  more: Readonly<Partial<Record<ResourceType, Readonly<Record<string, string>>>>> = {},
): TagSpecification[] {
  return types.map((type) => ({
    ResourceType: type,
    Tags: tagsOf({ ...tagging, tags: { ...tagging.tags, ...more[type] } }),
  }));
}

/** Filter of a Describe… call for what has a tag. */
export function tagFilter(key: string, value: string): { Name: string; Values: string[] } {
  return { Name: `tag:${key}`, Values: [value] };
}
