import type { BaseSource, Driver, Exporter, Firmware, HostFile, ImageSpec, OsDefinition, Recipe } from '../core/index.ts';

/** A recipe of the image with its parameters, checked and completed by the recipe's own schema. */
export interface ChosenRecipe {
  readonly recipe: Recipe;
  readonly params: unknown;
}

export interface ChosenExporter {
  readonly exporter: Exporter;
  readonly options: unknown;
}

/** A file in a folder of this host. */
export interface FolderEntry {
  /** Relative to the folder. */
  readonly name: string;
  readonly isExecutable: boolean;
  readonly file: HostFile;
}

/** The wish with every name looked up and every combination checked: all that the planner needs, without the host or a network. */
export interface ResolvedImage {
  /** Folder that relative paths of secrets start from; default: the current one. */
  readonly dir?: string;
  /** `debian13`, or what the image file calls itself. */
  readonly name: string;
  readonly spec: ImageSpec;
  readonly os: OsDefinition;
  /** Paths in it are absolute. */
  readonly base: BaseSource;
  readonly firmware: Firmware;
  readonly driver: Driver;
  readonly driverOptions: unknown;
  /** In the order they run: every recipe after those it names in `after`. */
  readonly recipes: readonly ChosenRecipe[];
  readonly exporters: readonly ChosenExporter[];
  /** By the path as `spec.provision` writes it. */
  readonly provisionFiles: Readonly<Record<string, HostFile>>;
  /** What the folders that `spec.provision` names hold, by name; by the path as it writes it. Default: none. */
  readonly provisionFolders?: Readonly<Record<string, readonly FolderEntry[]>>;
}
