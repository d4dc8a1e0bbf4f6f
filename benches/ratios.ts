/** Ratios between contenders, and the floors that they must not fall through. */
import { readFileSync } from 'node:fs'
import { CONTENDERS, type ContenderId, contender, GROUPS, type Work } from './catalogue.js'
import { digits } from './format.js'
import { median, type Results, type Samples } from './measure.js'

/** At each of `works`, how many times as long as `against` the contender `of` may take. */
export interface Floor {
  readonly name: string
  readonly of: ContenderId
  readonly against: ContenderId
  /** A regular expression for the names of works. */
  readonly works: string
  /** Compare with this work of `against` instead of with the same one. */
  readonly againstWork?: string
  /** What the check insists on. */
  readonly atMost: number
  /** What the project wants to reach; without it, `atMost`. */
  readonly goal?: number
}

/** How a work stands with a floor: the ratio of each round. */
export interface Outcome {
  readonly floor: Floor
  readonly work: Work
  readonly ratios: Samples
}

export interface Held {
  readonly heapBytes: number
  readonly externalBytes: number
}

export interface Floors {
  readonly ratios: readonly Floor[]
  /** What a map of 512 regions may hold that nobody has touched. */
  readonly idleMap: Held
}

const WORKS: readonly Work[] = GROUPS.flatMap(({ works }) => works)

function isContender(id: string): boolean {
  return CONTENDERS.some((each) => each.id === id)
}

export function worksOf(floor: Floor): readonly Work[] {
  const pattern = new RegExp(floor.works)
  return WORKS.filter(({ id }) => pattern.test(id))
}

export function readFloors(): Floors {
  const floors = JSON.parse(readFileSync(new URL('floors.json', import.meta.url), 'utf8')) as Floors
  for (const floor of floors.ratios) {
    if (!isContender(floor.of) || !isContender(floor.against)) throw new Error(`${floor.name}: no such contender`)
    if (worksOf(floor).length === 0) throw new Error(`${floor.name}: no such work`)
  }
  return floors
}

/** Does this contender's time at this work decide about the floor? */
export function concerns(floor: Floor, id: ContenderId, work: Work): boolean {
  if (floor.againstWork === work.id && floor.against === id) return true
  return (floor.of === id || (floor.against === id && !floor.againstWork)) && worksOf(floor).includes(work)
}

/** Ratios within a round, where both were disturbed by the same things. */
export function compare(floor: Floor, results: Results): Outcome[] {
  return worksOf(floor).flatMap((work) => {
    const mine = results.get(work.id)?.get(floor.of)
    const theirs = results.get(floor.againstWork ?? work.id)?.get(floor.against)
    if (!mine || !theirs) return []
    return [{ floor, work, ratios: mine.map((each, round) => each / (theirs[round] ?? Number.NaN)) }]
  })
}

export function pair({ floor }: Outcome): string {
  return `${contender(floor.of).title} / ${contender(floor.against).title}`
}

/** A line for each floor: the geometric mean of its works' ratios, and the worst of them. */
export function outcomeTable(outcomes: readonly Outcome[]): string[] {
  const lines = [...new Set(outcomes.map(({ floor }) => floor))].map((floor) => {
    const own = outcomes.filter((each) => each.floor === floor).map((each) => ({ each, ratio: median(each.ratios) }))
    const mean = Math.exp(own.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / own.length)
    const worst = own.reduce((a, b) => (a.ratio > b.ratio ? a : b))
    const goal = floor.goal ?? floor.atMost
    const reached = own.filter(({ ratio }) => ratio <= goal).length
    const cells = [
      floor.name,
      pair(worst.each),
      String(goal),
      digits(mean),
      `${digits(worst.ratio)} (${worst.each.work.title})`,
      `${reached} of ${own.length}`,
    ]
    return `| ${cells.join(' | ')} |`
  })
  return ['| goal | of | at most | mean | worst | reached |', '| --- | --- | --: | --: | --: | --: |', ...lines]
}
