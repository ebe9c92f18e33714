import type { Variable } from '../../variables.ts';
import { plain } from '../ansible-vars.ts';

/** What names of systems look like in URLs, image names and guest types, the more telling first. */
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/ubuntu[-_/]?(26\.?04)|resolute/i, 'ubuntu2604'],
  [/ubuntu[-_/ ]?(server[-_/])?(24\.?04)|noble/i, 'ubuntu2404'],
  [/ubuntu[-_/ ]?(server[-_/])?(22\.?04)|jammy/i, 'ubuntu2204'],
  [/ubuntu[-_/ ]?(server[-_/])?(20\.?04)|focal/i, 'ubuntu2004'],
  [/ubuntu[-_/ ]?(server[-_/])?(18\.?04)|bionic/i, 'ubuntu1804'],
  [/debian[-_/ ]?13|trixie/i, 'debian13'],
  [/debian[-_/ ]?12|bookworm/i, 'debian12'],
  [/rocky(linux)?[-_/ ]?10/i, 'rocky10'],
  [/rocky(linux)?[-_/ ]?9/i, 'rocky9'],
  [/alma(linux)?([-_/ ]?os)?[-_/ ]?(vault\/)?10/i, 'almalinux10'],
  [/alma(linux)?([-_/ ]?os)?[-_/ ]?(vault\/)?9/i, 'almalinux9'],
  [/centos([-_/ ]?stream)?[-_/ ]?10/i, 'centos-stream10'],
  [/centos([-_/ ]?stream)?[-_/ ]?9/i, 'centos-stream9'],
  [/centos(-linux)?[-_/ ]?7/i, 'centos7'],
  [/(rhel|red ?hat enterprise linux)[-_/ ]?(server[-_/])?10/i, 'rhel10'],
  [/(rhel|red ?hat enterprise linux)[-_/ ]?(server[-_/])?9/i, 'rhel9'],
  [/oracle[-_ ]?linux[-_/ ]?(R|OL)?9|\bOL9\b/i, 'oraclelinux9'],
  [/al2023|amazon(-linux)?[-_ ]?2023/i, 'amazonlinux2023'],
  [/amzn2|amazon(-linux)?[-_ ]?2\b/i, 'amazonlinux2'],
  [/photon[-_/ ]?(minimal-)?5/i, 'photon5'],
  [/photon[-_/ ]?(minimal-)?4/i, 'photon4'],
  [/photon[-_/ ]?(minimal-)?3/i, 'photon3'],
];

/** The catalog's name of the system that texts speak of; the first text that names one decides. */
export function guessSystem(hints: readonly (string | undefined)[]): string | undefined {
  for (const hint of hints) {
    const found = hint === undefined ? undefined : SYSTEMS.find(([pattern]) => pattern.test(hint))?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Variables that only builders of one kind have. */
const TELLING: Readonly<Record<string, string>> = {
  vcenter_server: 'vsphere',
  remote_host: 'esxi',
  aws_region: 'ec2',
  ami_regions: 'ec2',
};

/** The driver that variables are for, where no template names its builder. */
export function guessDriver(variables: readonly Variable[]): string | undefined {
  const telling = variables.find(({ name, value }) => Object.hasOwn(TELLING, name) && plain(value) !== '');
  return telling === undefined ? undefined : TELLING[telling.name];
}
