export * from '../../src/testing/test-context.ts';
