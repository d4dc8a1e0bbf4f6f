/**
 * What the fast paths keep with an object: a private field that is put on objects from outside, so that nobody else sees
 * it, frozen objects can have it, and it goes with the object.
 */
import { Existing } from '../existing'
import { type Cursor, NO_CURSOR as NONE } from './cursor'

// What is imported is looked up at each use, which makes functions longer than the engine likes.
const NO_CURSOR = NONE

export class Anchor extends Existing {
  #cursor: Cursor

  private constructor(object: object, cursor: Cursor) {
    super(object)
    this.#cursor = cursor
  }

  /** Anchors a cursor to an object that has none yet; returns the object. */
  static put<T extends object>(object: T, cursor: Cursor): T {
    return new Anchor(object, cursor) as T
  }

  /** The cursor of an object; that of unused ones for what is no object, about which the native methods say what they say. */
  static cursor(object: object): Cursor {
    try {
      return #cursor in object ? object.#cursor : NO_CURSOR
    } catch {
      return NO_CURSOR
    }
  }

  /** Whether an object has a cursor. Not asked by `cursor`: the engine learns from what it sees in each place. */
  static has(object: object): boolean {
    return #cursor in object
  }

  /** The same where objects of all classes are asked, so that the engine does not come to expect them in `cursor`. */
  static peek(object: object): Cursor {
    return #cursor in object ? object.#cursor : NO_CURSOR
  }

  /** Changes what is anchored to an object that has something. */
  static set(object: object, cursor: Cursor): void {
    ;(object as Anchor).#cursor = cursor
  }
}
