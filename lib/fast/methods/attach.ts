/** When and how an object gets its fast paths. */
import type { Door } from '../../door'
import { EMPTY, Table } from '../table'
import type { Source } from '../window'
import { Access, NO_ACCESS } from './access'
import { Anchor } from './anchor'

/** What the objects of a class are like. */
export interface Traits {
  readonly door: Door
  /** Whether their memory begins on a page of the host. */
  readonly isPageAligned: boolean
  /** From which access on views are worth their making. */
  readonly worthFrom: number
}

/** Access to the memory of an object, which has it from now on. */
function anchored(object: object): Access {
  if (Anchor.access(object) === NO_ACCESS) Anchor.put(object, new Access())
  return Anchor.access(object)
}

/** Notes a native access that is about to be made to an object. */
export function noteUse(object: object, traits: Traits): void {
  anchored(object).noteUse(traits.worthFrom, () => makeTable(object, traits))
}

/** The table of an object, made if there is none. */
export function tableOf(object: object, traits: Traits): Table {
  const access = anchored(object)
  if (access.table === EMPTY) access.table = makeTable(object, traits)
  return access.table
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
