export * from '../../src/testing/tiny-guest.ts';
