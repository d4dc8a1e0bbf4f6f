import { openSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { GuestMemoryMmap, pageSize } from '../../index.js'
import type { Work } from '../machine/report.js'
import { DirtyAccount } from './dirty-account.js'
import { Machine, type Parts } from './machine.js'
import { both, type Deeds } from './report.js'

export interface LifeOptions {
  readonly parts: Omit<Parts, 'onDimmFree'>
  /** Where the program begins. */
  readonly entry: number
  /** Bytes of memory that come and go. */
  readonly dimmBytes: number
  /** Milliseconds between two stops. */
  readonly stopEvery: number
  /** The file for the snapshot, which is made when the program has done half of its requests. */
  readonly snapshot: string
  readonly requests: number
  /** Called with the requests done since the last call. */
  readonly advance: (requests: number) => void
}

/** The life of a machine: it runs, is stopped and looked at, gets memory and loses it, and half-way becomes another machine. */
export class Life {
  readonly dirty = new DirtyAccount()
  /** The snapshot, for the table of what was done. */
  readonly work: Work[] = []
  unplugged = 0
  /** Milliseconds in which the machine ran, and in which it was made to stop. */
  running = 0
  stopping = 0
  machine!: Machine
  #earlier: Deeds | null = null
  #done = 0
  #dimmIsFree = false
  readonly #options: LifeOptions
  readonly #parts: Parts

  constructor(options: LifeOptions) {
    this.#options = options
    this.#parts = { ...options.parts, onDimmFree: () => (this.#dimmIsFree = true) }
  }

  /** Runs the machine until its program ends, and leaves it standing still. */
  async live(): Promise<void> {
    const { entry, stopEvery, requests } = this.#options
    this.machine = await Machine.make(this.#parts, entry)
    for (let hasEnded = false; !hasEnded;) {
      const begun = performance.now()
      this.machine.resume()
      // While it runs: the program finds new memory, or has let go of what is to go.
      await this.#plugOrUnplug()
      hasEnded = (await Promise.race([this.machine.ended, setTimeout(stopEvery, null)])) !== null
      this.running += performance.now() - begun
      await this.#stop()
      if (this.#earlier === null && this.#done > requests / 2 && !hasEnded) await this.#becomeAnother()
    }
  }

  /** What was done, by both machines. */
  get deeds(): Deeds {
    const { diskCounts: disk, exits } = this.machine
    return this.#earlier === null ? { disk, exits } : both(this.#earlier, { disk, exits })
  }

  async #plugOrUnplug(): Promise<void> {
    if (this.machine.dimm === null) {
      this.machine.plug(this.#options.dimmBytes)
    } else if (this.#dimmIsFree) {
      this.#dimmIsFree = false
      await this.machine.unplug()
      this.unplugged++
    }
  }

  async #stop(): Promise<void> {
    const begun = performance.now()
    await this.machine.stop()
    this.stopping += performance.now() - begun
    this.dirty.add(this.machine.slots.harvest(), (page) => this.machine.hasPage(page))
    const { progress } = this.machine.boot
    this.#options.advance(progress - this.#done)
    this.#done = progress
  }

  /** Saves the machine, forgets it, and makes another one of the file. */
  async #becomeAnother(): Promise<void> {
    const file = openSync(this.#options.snapshot, 'wx+')
    const begun = performance.now()
    const saved = await this.machine.save(file)
    const written = performance.now()
    this.#earlier = this.deeds
    await this.machine.close()
    const closed = performance.now()
    const memory = GuestMemoryMmap.fromSnapshot(file, saved.table, { bitmap: true })
    this.machine = await Machine.make({ ...this.#parts, memory }, saved)
    const restored = performance.now()
    this.work.push(
      { name: 'pages saved', count: saved.written / pageSize(), bytes: saved.written, milliseconds: written - begun },
      { name: 'machines restored', count: 1, milliseconds: restored - closed },
    )
  }
}
