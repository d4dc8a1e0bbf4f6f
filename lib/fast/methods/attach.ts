/** When and how an object gets its fast paths. */
import { EMPTY, Table } from '../table'
import type { Layout } from '../native-methods'
import type { Source } from '../window'
import { Access, NO_ACCESS } from './access'
import { Anchor } from './anchor'

/** Access to the memory of an object, which has it from now on. */
function anchored(object: object): Access {
  if (Anchor.access(object) === NO_ACCESS) Anchor.put(object, new Access())
  return Anchor.access(object)
}

/** Notes a native access that is about to be made to an object. */
export function noteUse(object: object, native: Layout): void {
  anchored(object).noteUse(native.worthFrom, () => makeTable(object, native))
}

/** The table of an object, made if there is none. */
export function tableOf(object: object, native: Layout): Table {
  const access = anchored(object)
  if (access.table === EMPTY) access.table = makeTable(object, native)
  return access.table
}

function makeTable(object: object, native: Layout): Table {
  const source: Source = {
    openWindow: (index, offset, length) => native.openWindow.call(object, index, offset, length),
    dirtyMarker: (index) => native.dirtyMarker.call(object, index),
    isPageAligned: native.isPageAligned,
  }
  try {
    return new Table(source, native.layout.call(object))
  } catch {
    // Not one of ours: the native method that is called next will say so.
    return new Table(null, new Float64Array())
  }
}
