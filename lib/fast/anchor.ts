/**
 * What the fast paths keep with an object: private fields that are put on objects from outside, so that nobody else sees
 * them, frozen objects can have them, and they go with the object.
 */
import type { Access } from './access'
import type { Snapshot } from './guards'

/** A constructor that "makes" an object that exists: its heirs put their fields on it. */
export const Existing = function (object: object) {
  return object
} as unknown as new (object: object) => object

export class Anchor extends Existing {
  #access: Access
  #snapshot: Snapshot | null

  private constructor(object: object, access: Access, snapshot: Snapshot | null) {
    super(object)
    this.#access = access
    this.#snapshot = snapshot
  }

  /** Anchors what is known about an object that has nothing yet; returns the object. */
  static put<T extends object>(object: T, access: Access, snapshot: Snapshot | null): T {
    return new Anchor(object, access, snapshot) as T
  }

  /** What is known about the memory of an object; undefined for one that was not seen before. */
  static access(object: object): Access | undefined {
    return #access in object ? object.#access : undefined
  }

  static setAccess(object: object, access: Access): void {
    if (#access in object) object.#access = access
  }

  /** The snapshot of a guard; null of everything else. */
  static snapshot(object: object): Snapshot | null {
    return #snapshot in object ? object.#snapshot : null
  }

  static setSnapshot(object: object, snapshot: Snapshot): void {
    if (#snapshot in object) object.#snapshot = snapshot
  }
}
