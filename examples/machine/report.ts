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

export function table(head: string[], alignments: ('left' | 'right')[], content: string[][]): string {
  const table = new Table({ head, colAligns: alignments, style: { head: [], border: [], compact: true } })
  table.push(...content)
  return table.toString()
}

/** A table where there is room for it, else the same as a list. */
function fitting(wide: string, list: string[], columns: number): string {
  return wide.split('\n').every((line) => line.length <= columns) ? wide : list.join('\n')
}

/** A digest in two lines, the first behind a label. */
function halves(label: string, digest: string): string[] {
  return [`  ${label}${digest.slice(0, 32)}`, `  ${' '.repeat(label.length)}${digest.slice(32)}`]
}

export function checkTable(checks: readonly Check[], columns = Infinity): string {
  const verdict = (check: Check): string => (isRight(check) ? 'equal' : 'DIFFERENT')
  const wide = table(
    ['check', 'SHA-256', ''],
    ['left', 'left', 'left'],
    checks.map((check) => [
      check.name,
      isRight(check) ? check.guest : `guest ${check.guest}\nfile  ${check.file}`,
      verdict(check),
    ]),
  )
  const list = checks.flatMap((check) => [
    `${check.name}: ${verdict(check)}`,
    ...(isRight(check) ? halves('', check.guest) : [...halves('guest ', check.guest), ...halves('file  ', check.file)]),
  ])
  return fitting(wide, list, columns)
}

function rate({ count, bytes, milliseconds }: Work): string {
  if (milliseconds === undefined || milliseconds === 0 || count === 0) return ''
  const seconds = milliseconds / 1000
  return bytes ? `${(bytes / MIB / seconds).toFixed(0)} MiB/s` : `${(count / seconds).toFixed(0)} /s`
}

export function workTable(work: readonly Work[], columns = Infinity): string {
  const head = ['what was done', 'count', 'MiB', 'ms', 'rate']
  const content = work.map((item) => [
    item.name,
    String(item.count),
    item.bytes === undefined ? '' : (item.bytes / MIB).toFixed(1),
    item.milliseconds === undefined ? '' : item.milliseconds.toFixed(1),
    rate(item),
  ])
  const wide = table(head, ['left', 'right', 'right', 'right', 'right'], content)
  const list = content.flatMap(([name, count, mib, ms, rate]) => [
    `${name}: ${count}`,
    ...(ms === '' ? [] : [`  ${[mib && `${mib} MiB`, `${ms} ms`, rate].filter(Boolean).join(', ')}`]),
  ])
  return fitting(wide, list, columns)
}

export function hex(address: number | bigint): string {
  return `0x${address.toString(16)}`
}
