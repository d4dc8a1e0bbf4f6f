import Table from 'cli-table3'
import { MIB } from '../machine/memory-layout.js'
import type { Work } from '../machine/report.js'
import type { DirtyAccount } from './dirty-account.js'
import type { DiskCounts } from './disk-counts.js'
import { EXITS, type Exit } from './vcpu-control.js'

/** What the machine, or the one that was made of it, has done. */
export interface Deeds {
  readonly disk: DiskCounts
  readonly exits: readonly Record<Exit, number>[]
}

const KEYS = ['doorbells', 'interrupts', 'reads', 'writes', 'bytes', 'milliseconds'] as const

/** The same of two machines, one after the other. */
export function both(first: Deeds, second: Deeds): Deeds {
  const disk = { ...first.disk }
  for (const key of KEYS) disk[key] += second.disk[key]
  return { disk, exits: [...first.exits, ...second.exits] }
}

/** Rows for the table of what was done in `milliseconds`. */
export function workOf({ disk, exits }: Deeds, milliseconds: number): Work[] {
  const all = EXITS.map((exit) => ({ exit, count: exits.reduce((sum, of) => sum + of[exit], 0) }))
  return [
    { name: 'disk requests', count: disk.reads + disk.writes, bytes: disk.bytes, milliseconds: disk.milliseconds },
    { name: 'doorbells', count: disk.doorbells, milliseconds },
    { name: 'interrupts', count: disk.interrupts, milliseconds },
    { name: 'exits', count: all.reduce((sum, { count }) => sum + count, 0), milliseconds },
    ...all.map(({ exit, count }) => ({ name: `  ${exit}`, count })),
  ]
}

export function dirtyTable(account: DirtyAccount, page: number): string {
  const { stops, tracked, early, agreed } = account
  const table = new Table({
    head: [`pages written, at ${stops} stops`, 'pages', 'MiB'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  const rows: [string, number][] = [
    ["by the processors: KVM's dirty log", account.kvm],
    ['by disk and monitor: the bitmaps', account.bitmap],
    ['by anyone: either of the two', account.either],
  ]
  if (tracked !== null) rows.push(['by anyone: trackWrites', tracked])
  for (const [name, pages] of rows) table.push([name, String(pages), ((pages * page) / MIB).toFixed(1)])
  const verdict =
    tracked === null
      ? 'trackWrites needs Linux 6.7'
      : `trackWrites agreed with the two at ${agreed} of ${stops} stops; pages that it told one stop early: ${early}`
  return `${table.toString()}\n${verdict}`
}
