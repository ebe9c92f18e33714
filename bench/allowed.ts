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
    reason: 'Ansible’s sysctl module has its own spelling and order; the settings are compared one by one',
  },
  {
    paths: [/^\/var\/cache\/ldconfig\/aux-cache$/],
    reason: 'Inode numbers and times of libraries (ldconfig(8))',
  },
  {
    paths: [/^\/var\/log\/(wtmp|lastlog)$/, /^\/var\/log\/audit\/audit\.log$/],
    reason: 'Sessions begin and end, and the audit daemon ends, after the clean-up',
  },
  {
    paths: [
      /^\/var\/lib\/containerd\/io\.containerd\.metadata\.v1\.bolt\/meta\.db$/,
      /^\/var\/lib\/containerd\/opt(\/(bin|lib))?$/,
    ],
    reason:
      'State of the containerd that ran during the build, without images and containers; whether the package started it before it was configured',
  },
  {
    paths: [/^\/etc\/sudoers\.d$/],
    reason:
      'cloud-init closes the folder (0750) to others when it writes the login’s sudo rule; kib-native’s login needs none, and the base’s own mode stays',
  },
  {
    paths: [/^\/tmp\/.+$/],
    reason: 'Emptied at each boot (tmpfiles.d/tmp.conf)',
  },
];
