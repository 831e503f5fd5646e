// Installed for tests of funnelvec/mastra alone: see node22.ts.
declare module 'mingo';
declare module '@mastra/core/*';
