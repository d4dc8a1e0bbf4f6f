/** A constructor that "makes" an object that exists: its heirs put their fields on it. */
export const Existing = function (object: object) {
  return object
} as unknown as new (object: object) => object
