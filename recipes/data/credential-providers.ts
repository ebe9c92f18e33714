import { type Pins, pins } from './pins.ts';

// Digests of the files that the projects publish for the kubelet, newest first. To know another version, add its line.

/**
 * v<version>/linux/<arch>/ecr-credential-provider-linux-<arch> of artifacts.k8s.io/binaries/cloud-provider-aws (kubernetes/k8s.io,
 * artifacts/manifests/k8s-staging-provider-aws). What is written there of 1.32 to 1.36 has no version in its path, so where those are is not
 * known; a kubelet takes an older program.
 */
const ECR_PROVIDER = pins(`
  1.37.0 842e0fd8159f5ed8df2f38e6521e1e4f0a1ee80cf1e1ac119bbf20bf9c20681c dd4748d167b0167cd4a66779dbbe4964e17a29a076aaa3d2b63cfc36ae84b52c
  1.31.7 7644623e4ec9ad443ab352a8a5800a5180ee28741288be805286ba72bb8e7164 1980e3a038cb16da48a137743b31fb81de6c0b59fa06c206c2bc20ce0a52f849
  1.31.0 93cb405e50ac98fe1bd18757a1900794c14111705bd996f19728791aca9b5590 fa0061361d21cbad70a4cd6576f69366ae863a004ec6f59cba7ddbc71ba7106e
  1.30.8 99b69e7e3e658deed3e4079e75f3553dbc0581449c6566708b8a93e3dc4b2f62 077e388aea1dcfd600a58a97a2205ac5a4c5ec82d45cc7f48b63c9fb5fa593a9
  1.29.6 f15b5e45459917b31f89033981b1b9fbdbcdf1d8b853175a0394b8e2e03aa7c7 619d6a50f4d19748f403e92f5d9000d9883a5bafbdb8470042c6da880340464b
  1.29.0 0d97641c8977fe775cb18f9e6f40acd99ef2570543b55e5c13dec320dcaa8ee3 8313d0744b7e5cfaccb7aa1327c5260471eb9463bc769f87df6f45dee84b8c44
`);

/** v<version>/auth-provider-gcp/linux/<arch>/auth-provider-gcp of artifacts.k8s.io/binaries/cloud-provider-gcp (kubernetes/k8s.io, artifacts/manifests/k8s-staging-provider-gcp). */
const GCR_PROVIDER = pins(`
  35.1.0 2115de3056de6a52216445487f59cb7d27751d54c0e861ab1e9612d139475141 d57bc7cdba017c25762a48a62c44d0809aab782a0024aac304c110dc1360649f
  35.0.0 b5852509ab5c950485794afd49a3fd1c3d6166db988c15b683d2373b7055300f 510aee27ef32a27b76e461e9084719365210d56166057b37db290a72dfecbffa
`);

/** azure-acr-credential-provider-linux-<arch> of github.com/kubernetes-sigs/cloud-provider-azure, release v<version> (as kops pins it). */
const ACR_PROVIDER = pins(`
  1.34.12 2b850ca871d30e770b74dfc72e3dddf5bb2ce5a2760415c394536138e678a841 b7888e370397d3ad61ecb39d42bf196ccacb0ccf806fca8447afb74f589d0248
`);

/** A program that the kubelet asks for logins, as its project publishes and configures it. */
export interface Provider {
  /** File name; the kubelet finds it by the name in its configuration. */
  readonly program: string;
  readonly project: string;
  readonly base: string;
  readonly file: (version: string, arch: string) => string;
  readonly pins: Pins;
  readonly images: readonly string[];
  readonly args: readonly string[];
  readonly cacheDuration: string;
}

export const PROVIDERS = {
  // kubernetes.github.io/cloud-provider-aws/credential_provider; the last three patterns are those of image-builder and Talos.
  ecr: {
    program: 'ecr-credential-provider',
    project: 'cloud-provider-aws',
    base: 'https://artifacts.k8s.io/binaries/cloud-provider-aws',
    file: (version, arch) => `v${version}/linux/${arch}/ecr-credential-provider-linux-${arch}`,
    pins: ECR_PROVIDER,
    images: ['*.dkr.ecr.*.amazonaws.com', '*.dkr.ecr.*.amazonaws.com.cn', '*.dkr.ecr-fips.*.amazonaws.com'],
    args: [],
    cacheDuration: '12h',
  },
  // kubernetes/website, blog 2022-12-22-kubelet-credential-providers.
  gcr: {
    program: 'auth-provider-gcp',
    project: 'cloud-provider-gcp',
    base: 'https://artifacts.k8s.io/binaries/cloud-provider-gcp',
    file: (version, arch) => `v${version}/auth-provider-gcp/linux/${arch}/auth-provider-gcp`,
    pins: GCR_PROVIDER,
    images: ['container.cloud.google.com', 'gcr.io', '*.gcr.io', '*.pkg.dev'],
    args: ['get-credentials', '--v=3'],
    cacheDuration: '1m',
  },
  // cloud-provider-azure.sigs.k8s.io, topics/credential-provider; azure.json is the cluster's to write.
  acr: {
    program: 'acr-credential-provider',
    project: 'cloud-provider-azure',
    base: 'https://github.com/kubernetes-sigs/cloud-provider-azure/releases/download',
    file: (version, arch) => `v${version}/azure-acr-credential-provider-linux-${arch}`,
    pins: ACR_PROVIDER,
    images: ['*.azurecr.io', '*.azurecr.cn', '*.azurecr.de', '*.azurecr.us'],
    args: ['/etc/kubernetes/azure.json'],
    cacheDuration: '10m',
  },
} as const satisfies Record<string, Provider>;
