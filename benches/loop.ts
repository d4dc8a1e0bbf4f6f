/** The loop around a measured step. */

/** Does the step this many times; returns how long that took, and how often it was done where that is less often. */
export type Loop = (iterations: number) => Measured | Promise<Measured>

export interface Measured {
  readonly nanoseconds: number
  readonly iterations: number
}

type Bare = (iterations: number, never: unknown) => number

let loopsMade = 0

/**
 * A loop of its own for each step, freshly compiled: in a shared one the engine would see all steps at one place, and
 * inline none. The source differs, too: the engine remembers what it compiled, and what it learned of it. What a step returns is compared with something of its type that comes from outside, so that it has to
 * be there.
 */
function compile(step: (i: number) => unknown): Bare {
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval
  const make = new Function(
    'step',
    `return function loop${(loopsMade += 1)}(iterations, never) {
      let surprises = 0
      for (let i = 0; i < iterations; i++) if (step(i) === never) surprises++
      return surprises
    }`,
  ) as (step: (i: number) => unknown) => Bare
  return make(step)
}

function somethingElse(result: unknown): unknown {
  if (typeof result === 'number') return -1
  return typeof result === 'bigint' ? -1n : {}
}

function timed(bare: Bare, iterations: number, never: unknown): Measured {
  const start = process.hrtime.bigint()
  const surprises = bare(iterations, never)
  const nanoseconds = Number(process.hrtime.bigint() - start)
  if (surprises !== 0) throw new Error('a step returned what it cannot return')
  return { nanoseconds, iterations }
}

export function loop(step: (i: number) => unknown): Loop {
  const bare = compile(step)
  const never = somethingElse(step(0))
  return (iterations) => {
    globalThis.gc?.()
    return timed(bare, iterations, never)
  }
}

/** For what can be done only once with each thing: `prepare` makes the things, which is not measured. */
export function loopOver<Thing>(
  most: number,
  prepare: (count: number) => Thing[],
  step: (thing: Thing) => unknown,
): Loop {
  let things: Thing[] = []
  const bare = compile((i) => step(things[i]!))
  return (iterations) => {
    const count = Math.min(iterations, most)
    things = []
    globalThis.gc?.()
    things = prepare(count)
    return timed(bare, count, null)
  }
}

/** For what takes turns of the event loop: `prepare` makes the thing of a step, which is not measured. */
export function loopAsync<Thing>(prepare: () => Thing, step: (thing: Thing) => Promise<unknown>): Loop {
  return async (iterations) => {
    globalThis.gc?.()
    let nanoseconds = 0
    for (let done = 0; done < iterations; done += 1) {
      const thing = prepare()
      const start = process.hrtime.bigint()
      await step(thing)
      nanoseconds += Number(process.hrtime.bigint() - start)
    }
    return { nanoseconds, iterations }
  }
}
