import { z } from 'zod';
import type { Arch, Download } from '../src/core/index.ts';
import { known, type Pins } from './data/pins.ts';

/** A release number without the leading v. */
export const releaseSchema = z.string().regex(/^\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$/, 'must look like 1.2.3');

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

export const githubSchema = z
  .url({ protocol: /^https?$/ })
  .default('https://github.com')
  .describe('What stands before /<owner>/<project>/releases/…; a mirror of GitHub');

/** One file of a GitHub release. */
export interface Release {
  /** Name of the setting that chose the version, `recipes.containerd.version`. */
  readonly setting: string;
  readonly github: string;
  /** `containerd/containerd`. */
  readonly project: string;
  readonly version: string;
  readonly file: string;
  readonly pins: Pins;
  readonly arch: Arch;
  /** Given by the user for versions that are not known. */
  readonly sha256: string | undefined;
  readonly why: string;
}

export function releaseDownload(release: Release): Download {
  const { github, project, version, file, why } = release;
  const sha256 = pinOf(release);
  const url = `${github.replace(/\/$/, '')}/${project}/releases/download/v${version}/${file}`;
  return { url, why, ...(sha256 === undefined ? {} : { sha256 }) };
}

/** The problem of a release nobody vouches for, if it is one. `digestSetting` is where the user can do so. */
export function releaseIssues(
  release: Release,
  digestSetting: string,
): readonly { path: string; message: string; hint: string }[] {
  if (pinOf(release) !== undefined) return [];
  return [
    {
      path: release.setting,
      message: `no digest is known for ${release.project} ${release.version}`,
      hint: `set ${digestSetting}, or take one of ${known(release.pins)}`,
    },
  ];
}

function pinOf({ sha256, pins, version, arch }: Release): string | undefined {
  return sha256 ?? pins.get(version)?.[arch];
}
