import { z } from 'zod';
import { type Action, type Arch, type Check, type RecipeContext, sh } from '../src/core/index.ts';
import { RUNSC, RUNSC_SHIM } from './data/gvisor.ts';
import { known } from './data/pins.ts';
import { WASM_SHIMS, WASM_SHIMS_VERSION } from './data/wasm-shims.ts';
import type { Issue } from './issue.ts';
import type { TomlTable } from './toml.ts';

const BIN = '/usr/local/bin';
const RUNSC_CONFIG = '/etc/containerd/runsc.toml';
const MACHINE: Readonly<Record<Arch, string>> = { amd64: 'x86_64', arm64: 'aarch64' };

const sha512Schema = z.string().regex(/^[0-9a-f]{128}$/, 'must be 128 lower-case hex digits');

export const gvisorSchema = z
  .strictObject({
    version: z
      .string()
      .regex(/^\d{8}(\.\d+)?$/, 'must look like 20260817.0')
      .default('20260817.0')
      .describe('gVisor release'),
    runscSha512: sha512Schema.optional().describe('SHA-512 of runsc, for a version that is not known'),
    shimSha512: sha512Schema.optional().describe('SHA-512 of containerd-shim-runsc-v1, for a version that is not known'),
    platform: z.enum(['systrap', 'kvm']).optional().describe('How it catches system calls; default: gVisor’s own, systrap'),
    url: z
      .url({ protocol: /^https?$/ })
      .default('https://storage.googleapis.com/gvisor/releases/release')
      .describe('What stands before /<version>/<machine>/runsc; a mirror'),
  })
  .optional()
  .describe('gVisor as a runtime besides runc; a RuntimeClass calls its handler gvisor');

type Gvisor = z.output<typeof gvisorSchema>;

export const wasmShimsSchema = z
  .array(z.enum(['lunatic', 'slight', 'spin', 'wws']))
  .default([])
  .describe(`Runtimes for WebAssembly (containerd-wasm-shims v${WASM_SHIMS_VERSION}, amd64 only)`);

type WasmShim = keyof typeof WASM_SHIMS;

export function gvisorIssues({ arch }: RecipeContext, gvisor: Gvisor): readonly Issue[] {
  if (gvisor === undefined || gvisorFiles(arch, gvisor).every(({ sha512 }) => sha512 !== undefined)) return [];
  return [
    {
      path: 'recipes.containerd.gvisor.version',
      message: `no digests are known for gVisor ${gvisor.version}`,
      hint: `set recipes.containerd.gvisor.runscSha512 and shimSha512, or take one of ${known(RUNSC)}`,
    },
  ];
}

export function wasmIssues({ arch }: RecipeContext, shims: readonly WasmShim[]): readonly Issue[] {
  if (shims.length === 0 || arch === 'amd64') return [];
  return [
    { path: 'recipes.containerd.wasmShims', message: `containerd-wasm-shims has no files for ${arch}`, hint: 'leave it out' },
  ];
}

/** What a RuntimeClass may ask for, by handler. */
export function extraRuntimes(gvisor: Gvisor, shims: readonly WasmShim[]): TomlTable {
  return {
    ...(gvisor === undefined
      ? {}
      : {
          gvisor: {
            runtime_type: 'io.containerd.runsc.v1',
            options: { TypeUrl: 'io.containerd.runsc.v1.options', ConfigPath: RUNSC_CONFIG },
          },
        }),
    ...Object.fromEntries(shims.map((shim) => [shim, { runtime_type: `io.containerd.${shim}.${WASM_SHIMS[shim].runtime}` }])),
  };
}

/** Its shim reads runsc's flags from a file (gvisor.dev, "Containerd configuration"); with systemd cgroups runsc has to be told. */
export function runscConfig(gvisor: Gvisor, cgroupDriver: 'systemd' | 'cgroupfs'): TomlTable {
  return {
    runsc_config: {
      'systemd-cgroup': String(cgroupDriver === 'systemd'),
      ...(gvisor?.platform === undefined ? {} : { platform: gvisor.platform }),
    },
  };
}

export function installGvisor({ arch }: RecipeContext, gvisor: Gvisor): readonly Action[] {
  if (gvisor === undefined) return [];
  return gvisorFiles(arch, gvisor).map(
    ({ name, url, sha512 }): Action => ({
      kind: 'download',
      download: { url, why: 'containerd: gVisor', ...(sha512 === undefined ? {} : { sha512 }) },
      path: `${BIN}/${name}`,
      mode: '0755',
    }),
  );
}

export const RUNSC_CONFIG_PATH = RUNSC_CONFIG;

export function installWasmShims(shims: readonly WasmShim[], github: string): readonly Action[] {
  return shims.map((shim) => {
    const { runtime, sha256 } = WASM_SHIMS[shim];
    const folder = `${github.replace(/\/$/, '')}/deislabs/containerd-wasm-shims/releases/download/v${WASM_SHIMS_VERSION}`;
    const url = `${folder}/containerd-wasm-shims-${runtime}-${shim}-linux-x86_64.tar.gz`;
    return { kind: 'unpack', download: { url, sha256, why: `containerd: ${shim}` }, into: BIN };
  });
}

export function runtimeChecks(gvisor: Gvisor, shims: readonly WasmShim[]): readonly Check[] {
  const common = { when: ['build', 'boot'] } as const;
  return [
    ...(gvisor === undefined
      ? []
      : [
          {
            ...common,
            name: 'containerd/gvisor',
            title: `gVisor ${gvisor.version} can run and containerd knows it`,
            // Without arguments the shim fails, but says that it is one.
            script: sh`
              runsc --version
              containerd-shim-runsc-v1 2>&1 || :
              containerd config dump | grep -F io.containerd.runsc.v1
            `,
            expect: { kind: 'matches', pattern: `release-${gvisor.version.replace('.', '\\.')}[\\s\\S]*runtime_type` },
          } as const,
        ]),
    ...shims.map(
      (shim): Check => ({
        ...common,
        name: `containerd/${shim}`,
        title: `the ${shim} shim can run and containerd knows it`,
        script: sh`
          ${`containerd-shim-${shim}-${WASM_SHIMS[shim].runtime}`} 2>&1 || :
          containerd config dump | grep -F ${`io.containerd.${shim}.${WASM_SHIMS[shim].runtime}`}
        `,
        expect: { kind: 'matches', pattern: 'Shim namespace cannot be empty[\\s\\S]*runtime_type' },
      }),
    ),
  ];
}

function gvisorFiles(arch: Arch, { version, url, runscSha512, shimSha512 }: NonNullable<Gvisor>) {
  const folder = `${url.replace(/\/$/, '')}/${version}/${MACHINE[arch]}`;
  return [
    { name: 'runsc', url: `${folder}/runsc`, sha512: runscSha512 ?? RUNSC.get(version)?.[arch] },
    {
      name: 'containerd-shim-runsc-v1',
      url: `${folder}/containerd-shim-runsc-v1`,
      sha512: shimSha512 ?? RUNSC_SHIM.get(version)?.[arch],
    },
  ];
}
