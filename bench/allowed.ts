/** Differences between two images of the same system that say nothing about it. */
export interface Allowed {
  readonly paths: readonly RegExp[];
  readonly reason: string;
}

export const ALLOWED: readonly Allowed[] = [
  {
    paths: [/^\/var\/lib\/dpkg\/status$/, /^\/var\/lib\/apt\/extended_states$/],
    reason: 'Order of installation; their content is compared package by package',
  },
  {
    paths: [/^\/etc\/sysctl\.d\/99-kubernetes\.conf$/],
    reason: 'Ansible’s sysctl module writes one setting a line in its own spelling; the settings are compared one by one',
  },
];
