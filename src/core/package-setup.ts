/** How packages are installed while an image is built, beyond the repositories and packages that recipes ask for. */
export interface PackageSetup {
  /** Variables for everything that installs packages: proxies, which package managers take from `http_proxy`, `https_proxy` and `no_proxy`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether the repositories that the base comes with are left alone while the image is built. */
  readonly disabled?: boolean;
  /** For rpm: URLs that repositories of the base are read from instead of their lists of mirrors, by their ids. */
  readonly baseurls?: Readonly<Record<string, string>>;
  /** Whether the base's repositories stay so in the image; otherwise it gets them back as they were. */
  readonly keep: boolean;
  /** Files with further repositories, as apt or an rpm package manager reads them. */
  readonly files?: readonly SourceListFile[];
  /** Whether all that the base has is brought up to date first; the machine reboots when that changes the kernel. */
  readonly upgrade: boolean;
}

export interface SourceListFile {
  readonly path: string;
  readonly text: string;
  /** Whether the image keeps it. */
  readonly keep: boolean;
}
