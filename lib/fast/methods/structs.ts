/** `readObj` and `writeObj` of structs that have functions of their own. */
import type * as VmMemory from '../../../index'
import * as ends from '../ends'
import type { Finder } from '../finder'
import type { StructCode } from '../structs'
import type { Kind, Methods } from './kind'

// Taken out of the import, which would be looked up at each use.
const { enter, isCalm, leave, stays } = ends

interface StructMethods {
  readStruct(object: object, type: VmMemory.StructType, code: StructCode, addr: unknown): object
  writeStruct(object: object, type: VmMemory.StructType, code: StructCode, value: unknown, addr: unknown): void
}

export function structMethods<F extends Finder>({ native, toNative, cursorOf }: Kind<Methods, F>): StructMethods {
  return {
    readStruct(object, type, code, addr) {
      const cursor = cursorOf(object)
      const offset = cursor.locate(addr, code.size)
      if (offset >= 0 && enter()) {
        const { window } = cursor
        let value
        try {
          value = code.read(window.view, offset)
        } finally {
          leave()
        }
        if (isCalm() || stays(window)) return value
      }
      return native.readObj(toNative(object, cursor), type, addr) as object
    },
    writeStruct(object, type, code, value, addr) {
      const cursor = cursorOf(object)
      // The native method reads no field where there is no address; and fields may be getters.
      const isSure = code.write !== null && typeof value === 'object' && value !== null
      if (!isSure || cursor.locate(addr, code.size) < 0) {
        return native.writeObj(toNative(object, cursor), type, value as never, addr)
      }
      // Which may dispose of the guard that this was called on: it goes on with what it has.
      const isHeld = cursor.hold()
      try {
        const left = code.write(cursor, addr, value)
        if (left !== undefined) native.writeObj(toNative(object, cursor), type, left as never, addr)
      } finally {
        if (isHeld) cursor.letGo()
      }
    },
  }
}
