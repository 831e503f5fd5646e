/** Types of payload indexes; in a file of their own, so that public types reach no other of this folder. */

export const INDEX_TYPES = ['keyword', 'integer', 'float', 'bool', 'datetime'] as const;

/**
 * Type of the values that a payload index holds. 'keyword': strings. 'integer' and 'float': numbers and bigints.
 * 'bool'. 'datetime': strings that read as dates, RFC 3339 or dates alone.
 */
export type PayloadIndexType = (typeof INDEX_TYPES)[number];
