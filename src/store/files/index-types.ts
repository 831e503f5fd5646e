/** The types of payload indexes. */
export const INDEX_TYPES = ['keyword', 'integer', 'float', 'bool', 'datetime'] as const;

export type PayloadIndexType = (typeof INDEX_TYPES)[number];
