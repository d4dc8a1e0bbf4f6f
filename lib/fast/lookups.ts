/** Look-ups that the table of windows answers. */
import type * as VmMemory from '../../index'
import { NO_ACCESS } from './access'
import { Anchor } from './anchor'
import type { Kind } from './kind'

type Lookups = Pick<VmMemory.GuestMemory, 'addressInRange'>

export function lookupMethods({ enter }: Kind, native: Lookups): Lookups {
  return {
    addressInRange(this: object, addr: VmMemory.U64): boolean {
      const access = Anchor.access(this) ?? NO_ACCESS
      return access.contains(addr) ?? native.addressInRange.call(enter(this), addr)
    },
  }
}
