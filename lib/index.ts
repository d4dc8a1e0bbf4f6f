/** What JavaScript expects of the native classes and Rust cannot give them. */
import type * as VmMemory from '../index'
import { installInspection } from './inspection'
import { installLockAsync } from './lock-async'
import { installProtocols } from './protocols'

export function install(native: typeof VmMemory): void {
  installProtocols(native)
  installLockAsync(native)
  installInspection(native)
}
