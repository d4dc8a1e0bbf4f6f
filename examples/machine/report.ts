import Table from 'cli-table3'
import { MIB } from './memory-layout.js'

/** The SHA-256 of the same bytes on two ways: in or through guest memory, and from the file. */
export interface Check {
  readonly name: string
  readonly guest: string
  readonly file: string
}

/** What was done of one kind. */
export interface Work {
  readonly name: string
  readonly count: number
  readonly bytes?: number
  readonly milliseconds?: number
}

/** What a stage of the program did and found. */
export interface Result {
  readonly checks: readonly Check[]
  readonly work: readonly Work[]
  /** Answers of the device that were wrong. */
  readonly problems: readonly string[]
}

export function isRight({ guest, file }: Check): boolean {
  return guest === file
}

const FULL_TABLE_WIDTH = 110

function rows(head: string[], alignments: ('left' | 'right')[], content: string[][]): string {
  const table = new Table({ head, colAligns: alignments, style: { head: [], border: [], compact: true } })
  table.push(...content)
  return table.toString()
}

/** Digests in full, unless the terminal is too narrow for them. */
export function checkTable(checks: readonly Check[], columns = Infinity): string {
  const show = (digest: string): string => (columns < FULL_TABLE_WIDTH ? `${digest.slice(0, 32)}…` : digest)
  return rows(
    ['check', 'SHA-256', ''],
    ['left', 'left', 'left'],
    checks.map((check) => [
      check.name,
      isRight(check) ? show(check.guest) : `guest ${show(check.guest)}\nfile  ${show(check.file)}`,
      isRight(check) ? 'equal' : 'DIFFERENT',
    ]),
  )
}

function rate({ count, bytes, milliseconds }: Work): string {
  if (milliseconds === undefined || milliseconds === 0 || count === 0) return ''
  const seconds = milliseconds / 1000
  return bytes ? `${(bytes / MIB / seconds).toFixed(0)} MiB/s` : `${(count / seconds).toFixed(0)} /s`
}

export function workTable(work: readonly Work[]): string {
  return rows(
    ['what was done', 'count', 'MiB', 'ms', 'rate'],
    ['left', 'right', 'right', 'right', 'right'],
    work.map((item) => [
      item.name,
      String(item.count),
      item.bytes === undefined ? '' : (item.bytes / MIB).toFixed(1),
      item.milliseconds === undefined ? '' : item.milliseconds.toFixed(1),
      rate(item),
    ]),
  )
}

export function hex(address: number | bigint): string {
  return `0x${address.toString(16)}`
}
