/** When and how an object gets its fast paths. */
import type { Door } from '../../door'
import { NO_NUMBER, numberOf } from '../mailbox'
import { EMPTY, NO_LAYOUT, piecesOf, Table } from '../table'
import type { Source } from '../window'
import { Cursor } from './cursor'
import { Anchor } from './anchor'

/** What the objects of a class are like. */
export interface Traits {
  readonly door: Door
  /** From which access on views are worth their making. */
  readonly worthFrom: number
}

/** The cursor of an object, which has one from now on. */
export function anchored(object: object): Cursor {
  // Only an object can have one: methods are called on anything.
  if (typeof object !== 'object' || object === null) return new Cursor()
  if (!Anchor.has(object)) Anchor.put(object, new Cursor())
  return Anchor.cursor(object)
}

/**
 * How many pieces of memory a table may have for each native access that was made before. To make a table costs about 0.1 us
 * for each piece, and each access by it saves 0.3 us; so it never costs more than it has saved soon.
 */
const PIECES_PER_USE = 4

/**
 * Notes a native access that is about to be made by way of a cursor. It is the last one where a table is worth its making.
 * @param objectOf the object whose memory it is: the map of a guard, else the object that has the cursor
 */
export function noteUse(cursor: Cursor, traits: Traits, objectOf: () => object): void {
  if (cursor.table !== EMPTY) return
  cursor.uses += 1
  if (cursor.uses < traits.worthFrom || cursor.uses < cursor.worthFrom) return
  const object = objectOf()
  const own = anchored(object)
  if (own.table === EMPTY) {
    const layout = layoutOf(object, traits)
    const pieces = piecesOf(layout)
    if (pieces > cursor.uses * PIECES_PER_USE) {
      cursor.worthFrom = pieces / PIECES_PER_USE
      return
    }
    own.attach(new Table(sourceOf(object, traits), layout))
  }
  cursor.attach(own.table)
}

/** The layout of an object's memory; an empty one of what is none of ours, as the native method that is called next will say. */
function layoutOf(object: object, { door }: Traits): Float64Array {
  try {
    return door.layout(object)
  } catch {
    return NO_LAYOUT
  }
}

function sourceOf(object: object, { door }: Traits): Source {
  return {
    openWindow: (piece, offset, length) => door.openWindow(object, piece, offset, length),
    trackedWriter: (piece) => door.trackedWriter(object, piece),
    number() {
      try {
        return numberOf(object)
      } catch {
        // Native methods do.
        return NO_NUMBER
      }
    },
  }
}
