/** `isVmMemoryError`: which errors are the crate's, as the table of errors in Rust says. */
import { types } from 'node:util'
import type * as VmMemory from '../index'
import type { Door } from './door'
import { defineFunction } from './protocols'

const { isNativeError } = types
const { getOwnPropertyDescriptor, hasOwn } = Object

/** The value of an own property; of one that is computed, nothing, and nothing is run. */
function ownValue(error: object, name: string): unknown {
  const descriptor = getOwnPropertyDescriptor(error, name)
  return descriptor !== undefined && hasOwn(descriptor, 'value') ? descriptor.value : undefined
}

export function installVmMemoryError(native: typeof VmMemory, { errorTable }: Door): void {
  let rows: string[][] | undefined

  /** Whether the table has this pair. It is asked for once, and only by those who want to know. */
  function isOfCrate(name: unknown, code: unknown): boolean {
    rows ??= errorTable()
    for (let index = 0; index < rows.length; index += 1) {
      const [ofName, , ofCode, variant] = rows[index] as string[]
      if (variant !== '' && ofCode !== '' && ofName === name && ofCode === code) return true
    }
    return false
  }

  function isVmMemoryError(error: unknown): error is VmMemory.VmMemoryError {
    // No proxy is one: its traps could throw.
    return isNativeError(error) && isOfCrate(ownValue(error, 'name'), ownValue(error, 'code'))
  }
  defineFunction(native, 'isVmMemoryError', isVmMemoryError)
}
