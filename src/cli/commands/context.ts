/** The surroundings that every command is given. */
import type { Io } from '../io.js';
import type { LoadEmbedder } from '../model.js';

export type Commander = typeof import('commander');

export interface Context {
  io: Io;
  commander: Commander;
  load: LoadEmbedder;
}
