// A program that is being written: its steps, and what is known of the objects that they make.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Kind, Step } from '../program.js'
import type { Chance } from './chance.js'

export interface Range {
  readonly start: bigint
  readonly size: number
}

/** A variable. Nothing is certain: the step that makes it may throw, and objects are disposed of. */
export interface Thing {
  readonly name: string
  readonly kind: Kind
  /** Where there is memory, as its own methods address it. */
  readonly ranges: readonly Range[]
  /** The type of the values in it. */
  readonly type?: string
}

type Facts = Partial<Pick<Thing, 'ranges' | 'type'>>

/** Out of a hundred choices of an object, how many are the last one of that kind. */
const FAITH = 45

export class Draft {
  readonly chance: Chance
  /** Whether objects are used so often before anything else that they have their fast paths. */
  readonly #isHot: boolean
  readonly steps: Step[] = []
  readonly #things = new Map<Kind, Thing[]>()
  readonly #last = new Map<Kind, Thing>()
  #made = 0

  constructor(chance: Chance, isHot: boolean) {
    this.chance = chance
    this.#isHot = isHot
  }

  do(code: string): void {
    this.steps.push(code)
  }

  /** Gives the value of a step a name. */
  define(kind: Kind, code: string, facts: Facts = {}): Thing {
    this.#made += 1
    const thing = { name: `${kind}${this.#made}`, kind, ranges: [], ...facts }
    this.do(`${thing.name} = ${code}`)
    this.#things.set(kind, [...this.of(kind), thing])
    this.#last.set(kind, thing)
    if (this.#isHot) this.#warm(thing)
    return thing
  }

  of(kind: Kind): readonly Thing[] {
    return this.#things.get(kind) ?? []
  }

  has(kind: Kind): boolean {
    return this.of(kind).length > 0
  }

  /** One of those that there are; mostly the one that was used last. */
  pick(kind: Kind): Thing {
    const last = this.#last.get(kind)
    const thing = last !== undefined && this.chance.percent(FAITH) ? last : this.chance.among(this.of(kind))
    if (thing === undefined) throw new Error(`there is no ${kind}`)
    this.#last.set(kind, thing)
    return thing
  }

  /** A map, or a guard, which can do the same. */
  pickMap(): Thing {
    return this.pick(this.has('guard') && this.chance.percent(40) ? 'guard' : 'map')
  }

  /** Uses it as often as fast paths want to see something used: see `worthFrom` in lib/fast/index.ts. */
  #warm({ name, kind, ranges }: Thing): void {
    const times = { map: 3, guard: 3, region: 3, slice: 34 }[kind as string]
    const [first] = ranges
    if (times !== undefined && first !== undefined) this.do(`repeat(${times}, () => ${name}.readU8(${first.start}n))`)
  }
}
