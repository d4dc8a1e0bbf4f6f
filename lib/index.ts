/** What JavaScript expects of the native classes and Rust cannot give them. */
import type * as VmMemory from '../index'
import { installFastPaths } from './fast'
import { installInspection } from './inspection'
import { installLasting } from './lasting'
import { installLockAsync } from './lock-async'
import { installProtocols } from './protocols'
import { installReceivers } from './receivers'

export function install(native: typeof VmMemory): void {
  installReceivers(native)
  installFastPaths(native)
  installLasting(native)
  installProtocols(native)
  installLockAsync(native)
  installInspection(native)
}
