/** Fields of a collection as filters see them. */

export type MilvusScalarType = 'Bool' | 'Int8' | 'Int16' | 'Int32' | 'Int64' | 'Float' | 'Double' | 'VarChar';

/** One field that is no vector. */
export interface MilvusField {
  type: MilvusScalarType | 'Array' | 'JSON' | (string & {});
  /** The type of an array's elements. */
  element?: MilvusScalarType | (string & {});
  nullable?: boolean;
}

export interface MilvusFields {
  /** Also under `fields`, where conditions may name it. */
  primaryKey: { name: string; text: boolean };
  fields: ReadonlyMap<string, MilvusField>;
  /** Whether keys that are no field are in the dynamic field. */
  dynamic: boolean;
  /**
   * Known: keys of the dynamic field and of JSON fields hold no arrays or objects, where conditions look; or only these
   * keys (see `scalarKeys()`) do not. Other keys can only be asked for by `match`: Milvus compares an array as one
   * value, not by its elements.
   */
  scalars?: boolean | ReadonlySet<string>;
}
