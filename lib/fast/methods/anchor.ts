/**
 * What the fast paths keep with an object: a private field that is put on objects from outside, so that nobody else sees
 * it, frozen objects can have it, and it goes with the object.
 */
import { type Access, NO_ACCESS as NONE } from './access'

// What is imported is looked up at each use, which makes functions longer than the engine likes.
const NO_ACCESS = NONE

/** A constructor that "makes" an object that exists: its heirs put their fields on it. */
export const Existing = function (object: object) {
  return object
} as unknown as new (object: object) => object

export class Anchor extends Existing {
  #access: Access

  private constructor(object: object, access: Access) {
    super(object)
    this.#access = access
  }

  /** Anchors access to the memory of an object that has none yet; returns the object. */
  static put<T extends object>(object: T, access: Access): T {
    return new Anchor(object, access) as T
  }

  /** Access to the memory of an object. */
  static access(object: object): Access {
    return #access in object ? object.#access : NO_ACCESS
  }

  /** Changes what is anchored to an object that has something. */
  static set(object: object, access: Access): void {
    ;(object as Anchor).#access = access
  }
}
