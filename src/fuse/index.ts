/** funnelvec/fuse: ranked lists of several searches as one. */

export { type FusedFrom, type FusedHit, type FuseOptions, fuse, type Ranked, type RankedList } from './fuse.js';
