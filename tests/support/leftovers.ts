export * from '../../src/testing/leftovers.ts';
