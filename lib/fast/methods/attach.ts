/** When and how an object gets its fast paths. */
import { EMPTY, Table } from '../table'
import type { Layout } from '../take'
import type { Source } from '../window'
import { Access, NO_ACCESS } from './access'
import { Anchor } from './anchor'

/** To be called before each native access: for one access alone, views are not worth their making. */
export function attach(object: object, native: Layout): void {
  if (Anchor.access(object) === NO_ACCESS) Anchor.put(object, new Access())
  else tableOf(object, native)
}

/** The table of an object, made if there is none. */
export function tableOf(object: object, native: Layout): Table {
  if (Anchor.access(object) === NO_ACCESS) Anchor.put(object, new Access())
  const access = Anchor.access(object)
  if (access.table === EMPTY) access.table = makeTable(object, native)
  return access.table
}

function makeTable(object: object, native: Layout): Table {
  const source: Source = {
    openWindow: (index, offset, length) => native.openWindow.call(object, index, offset, length),
    dirtyMarker: (index) => native.dirtyMarker.call(object, index),
  }
  try {
    return new Table(source, native.layout.call(object))
  } catch {
    // Not one of ours: the native method that is called next will say so.
    return new Table(null, new Float64Array())
  }
}
