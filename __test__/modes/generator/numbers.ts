// Numbers as programs write them: near the edges of memory, and odd ones.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { actOf } from './acts.js'
import type { Draft, Thing } from './draft.js'

const PAGE = 4096

/** Where integers change their form, or end. */
const LARGE = [
  '2 ** 31',
  '2 ** 32',
  '2 ** 53 - 1',
  '2n ** 31n',
  '2n ** 32n',
  '2n ** 53n - 1n',
  '2n ** 53n',
  '2n ** 53n + 1n',
  '2n ** 63n - 1n',
  '2n ** 63n',
  '2n ** 64n - 1n',
]

/** Added to some numbers, they are lost. */
const FRACTIONS = ['5e-324', '1e-16', '1e-9', '0.5']

/** What is no address and no length, or is 0 in a form of its own. */
const ODD = [
  'NaN',
  '-0',
  '-1',
  '-0.5',
  '1.5',
  '2 ** 53',
  '2 ** 53 + 2',
  '2 ** 64',
  '1e308',
  'Infinity',
  '-Infinity',
  '-1n',
  '0n',
  '2n ** 64n',
  '2n ** 128n',
  'undefined',
  'null',
  'true',
  "''",
  "'0'",
  "'4096'",
  "'u8'",
  '[]',
  '[0]',
  '[4096]',
  '({})',
  'Object(0)',
  'Object(4096n)',
  "Symbol('s')",
  '() => 0',
  'new Date(0)',
  'new Uint8Array(1)',
]

/** How many arguments of a hundred are odd. */
const ODDITY = 9

/** An integer as a number or as a bigint. */
export function literal({ chance }: Draft, value: bigint): string {
  const isSafe = value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)
  const digits = value > 9n ? `0x${value.toString(16)}` : String(value)
  return isSafe && chance.percent(60) ? digits : `${digits}n`
}

/** Odd, very large, or a good one that comes as something else, acts, or is a fraction off. */
export function odd(draft: Draft, value: bigint): string {
  return draft.chance.percent(25) ? draft.chance.among(LARGE) : unfit(draft, value)
}

/** As `odd`, but nothing that memory could be got for, and lots of it. */
function unfit(draft: Draft, value: bigint): string {
  const { chance } = draft
  return chance.weighted<() => string>([
    [6, () => chance.among(ODD)],
    [2, () => `acting(${literal(draft, value)}, () => ${actOf(draft)})`],
    [3, () => `${value} + ${chance.among(FRACTIONS)}`],
    [3, () => chance.among(FRACTIONS)],
    [1, () => `'${value}'`],
    [1, () => `[${value}]`],
    [1, () => `-(${value}n)`],
  ])()
}

function number(draft: Draft, value: () => bigint): string {
  const { chance } = draft
  if (chance.percent(ODDITY)) return odd(draft, value())
  const integer = value()
  return integer < 0n ? `${integer}n` : literal(draft, integer)
}

/** At most 24 bytes off, or a page. */
function delta({ chance }: Draft): number {
  return chance.weighted<() => number>([
    [4, () => chance.below(4) * 8],
    [3, () => chance.below(25)],
    [2, () => chance.among([PAGE, PAGE - 1, PAGE - 4, PAGE + 8])],
    [1, () => chance.below(3 * PAGE)],
  ])()
}

/** Where something is: at the start or the end of one of its ranges, a little before or behind. */
function edge(draft: Draft, thing: Thing): bigint {
  const { chance } = draft
  if (thing.ranges.length === 0) return BigInt(delta(draft))
  const { start, size } = chance.among(thing.ranges)
  const value = chance.weighted<() => bigint>([
    [4, () => start],
    [5, () => start + BigInt(delta(draft))],
    [5, () => start + BigInt(size - delta(draft))],
    [3, () => start + BigInt(size)],
    [1, () => start - 1n],
    [2, () => start + BigInt(chance.below(size || 1))],
  ])()
  return value < 0n ? 0n : value
}

/** A place in something that has memory. */
export function place(draft: Draft, thing: Thing): string {
  return number(draft, () => edge(draft, thing))
}

/** A length in bytes, or a count. */
export function length(draft: Draft): string {
  const { chance } = draft
  return number(draft, () =>
    chance.weighted<() => bigint>([
      [6, () => BigInt(chance.below(25))],
      [3, () => BigInt(delta(draft))],
      [1, () => chance.among([0n, 1n, BigInt(PAGE), 0x2000n, 0x11000n])],
    ])(),
  )
}

/** A length that reaches to an edge of something, or any. */
export function reach(draft: Draft, thing: Thing): string {
  const { chance } = draft
  if (thing.ranges.length === 0 || chance.percent(50)) return length(draft)
  return number(draft, () => {
    const value = BigInt(chance.among(thing.ranges).size - delta(draft))
    return value < 0n ? 0n : value
  })
}

/** How long something new is. */
export function size(draft: Draft): string {
  const { chance } = draft
  const value = BigInt(chance.among([0, 1, 7, 64, 0xfff, 0x1000, 0x1001, 0x2345, 0x3000, 0x9000]))
  return chance.percent(ODDITY) ? unfit(draft, value) : literal(draft, value)
}

/** Any integer of 64 bits. */
export function u64(draft: Draft): string {
  const { chance } = draft
  return number(draft, () => (chance.percent(50) ? chance.bits() : BigInt(delta(draft))))
}

/** A power of two. */
export function power(draft: Draft): string {
  return number(draft, () => 1n << BigInt(draft.chance.below(64)))
}

export function order({ chance }: Draft): string {
  const name = chance.among(['Relaxed', 'Release', 'Acquire', 'AcqRel', 'SeqCst'])
  return chance.weighted([
    [8, 'Ordering.SeqCst'],
    [6, `Ordering.${name}`],
    [1, chance.among(['5', '-1', '0.5', "'0'", 'null', '4n', '2 ** 32', 'NaN', '-0', '{}', '[4]'])],
  ])
}

/** A small index. */
export function index(draft: Draft): string {
  return number(draft, () => BigInt(draft.chance.below(6)))
}
