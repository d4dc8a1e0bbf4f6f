/** When and how an object gets its fast paths. */
import type { Door } from '../../door'
import { EMPTY, Table } from '../table'
import type { Source } from '../window'
import { Cursor, NO_CURSOR } from './cursor'
import { Anchor } from './anchor'

/** What the objects of a class are like. */
export interface Traits {
  readonly door: Door
  /** Whether their memory begins on a page of the host. */
  readonly isPageAligned: boolean
  /** From which access on views are worth their making. */
  readonly worthFrom: number
}

/** The cursor of an object, which has one from now on. */
function anchored(object: object): Cursor {
  if (Anchor.cursor(object) === NO_CURSOR) Anchor.put(object, new Cursor())
  return Anchor.cursor(object)
}

/** Notes a native access that is about to be made to an object. */
export function noteUse(object: object, traits: Traits): void {
  anchored(object).noteUse(traits.worthFrom, () => makeTable(object, traits))
}

/** The table of an object, made if there is none. */
export function tableOf(object: object, traits: Traits): Table {
  const cursor = anchored(object)
  if (cursor.table === EMPTY) cursor.table = makeTable(object, traits)
  return cursor.table
}

function makeTable(object: object, traits: Traits): Table {
  const { door, isPageAligned } = traits
  const source: Source = {
    openWindow: (piece, offset, length) => door.openWindow(object, piece, offset, length),
    dirtyMarker: (piece) => door.dirtyMarker(object, piece),
    isPageAligned,
  }
  try {
    return new Table(source, door.layout(object))
  } catch {
    // Not one of ours: the native method that is called next will say so.
    return new Table(null, new Float64Array())
  }
}
