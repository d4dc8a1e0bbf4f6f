import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * A mapping goes with the last JavaScript object on it, that is, at a garbage collection; and those come when the heap
 * fills, which a descriptor and a gigabyte of address space do not. So what thousands of map changes leave behind is
 * counted, and collected before it can become too much.
 */
const ENOUGH = 64

/** Counts what has been given up and is not gone yet. */
export class Retired {
  #count = 0

  add(count = 1): void {
    this.#count += count
    if (this.#count >= ENOUGH) this.collect()
  }

  collect(): void {
    this.#count = 0
    collect()
  }
}
