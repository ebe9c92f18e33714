/**
 * Shims of https://github.com/deislabs/containerd-wasm-shims release v0.11.1, x86-64 only; names, runtime versions and SHA-256 as
 * kubernetes-sigs/image-builder pins them (packer/config/wasm-shims.json).
 */
export const WASM_SHIMS_VERSION = '0.11.1';

export const WASM_SHIMS = {
  lunatic: { runtime: 'v1', sha256: '7054bc882db755ce5f3ded46d114bfd4e0a318e437fa18a2601295d20b616b32' },
  slight: { runtime: 'v1', sha256: 'a6ea87d965037933a7d9edb5e20cfc175265c8e1ca92a16535f1f3c3f376f5b0' },
  spin: { runtime: 'v2', sha256: 'dcffedb8e4d2f585a851b3de489fa1e8a0054ec0ad72cf111c623623919245d0' },
  wws: { runtime: 'v1', sha256: 'e917f90692d798d80873aa0f37990c7d652f2846129d64fecbfd41ffa77799b8' },
} as const;
