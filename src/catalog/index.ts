import type { OsDefinition } from '../core/index.ts';
import { almalinux9 } from './almalinux9.ts';
import { almalinux10 } from './almalinux10.ts';
import { amazonlinux2 } from './amazonlinux2.ts';
import { amazonlinux2023 } from './amazonlinux2023.ts';
import { centosStream9 } from './centos-stream9.ts';
import { centosStream10 } from './centos-stream10.ts';
import { centos7 } from './centos7.ts';
import { debian12 } from './debian12.ts';
import { debian13 } from './debian13.ts';
import { oraclelinux9 } from './oraclelinux9.ts';
import { photon3 } from './photon3.ts';
import { photon4 } from './photon4.ts';
import { photon5 } from './photon5.ts';
import { rhel9 } from './rhel9.ts';
import { rhel10 } from './rhel10.ts';
import { rocky9 } from './rocky9.ts';
import { rocky10 } from './rocky10.ts';
import { ubuntu1804 } from './ubuntu1804.ts';
import { ubuntu2004 } from './ubuntu2004.ts';
import { ubuntu2204 } from './ubuntu2204.ts';
import { ubuntu2404 } from './ubuntu2404.ts';
import { ubuntu2604 } from './ubuntu2604.ts';

/** Every operating system that can be built by name. To add one: write its file, add it here, run `npm run golden` and `npm run gen`. */
export const catalog: readonly OsDefinition[] = [
  debian12,
  debian13,
  ubuntu1804,
  ubuntu2004,
  ubuntu2204,
  ubuntu2404,
  ubuntu2604,
  rocky9,
  rocky10,
  almalinux9,
  almalinux10,
  centos7,
  centosStream9,
  centosStream10,
  rhel9,
  rhel10,
  oraclelinux9,
  amazonlinux2,
  amazonlinux2023,
  photon3,
  photon4,
  photon5,
];

/** The entry of that id, or undefined. */
export function findOs(id: string): OsDefinition | undefined {
  return catalog.find((os) => os.id === id);
}
