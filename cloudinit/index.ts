export * from './guestinfo.ts';
export * from './iso.ts';
export * from './login-credentials.ts';
export * from './meta-data.ts';
export * from './network-config.ts';
export * from './seed.ts';
export * from './seed-folder.ts';
export * from './user-data.ts';
