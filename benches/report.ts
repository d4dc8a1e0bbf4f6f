/** The table of all results, as Markdown. */
import { CONTENDERS, GROUPS, type Group } from './catalogue.js'
import { digits, duration } from './format.js'
import { describeMachine } from './machine.js'
import { median, quantile, type Results, type Samples, type Settings } from './measure.js'
import { outcomeTable, type Outcome } from './ratios.js'

export function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function cell(samples: Samples | undefined): string {
  if (!samples) return ''
  const [low, high] = [quantile(samples, 0.25), quantile(samples, 0.75)]
  const middle = median(samples)
  return `${duration(middle)} ±${digits((100 * (high - low)) / 2 / middle)} %`
}

export function groupTable(group: Group, results: Results): string[] {
  const works = group.works.filter(({ id }) => results.get(id)?.size)
  const columns = CONTENDERS.filter(({ id }) => works.some((work) => results.get(work.id)?.has(id)))
  if (works.length === 0) return []
  return [
    `## ${group.title}`,
    '',
    row(['', ...columns.map(({ title }) => title)]),
    row(['---', ...columns.map(() => '--:')]),
    ...works.map((work) => row([work.title, ...columns.map(({ id }) => cell(results.get(work.id)?.get(id)))])),
    '',
  ]
}

const WHO = `Contenders:

- **Rust**: the crate itself, in a Rust program. This is the ceiling.
- **memcpy**: the function of the C library, on one allocation.
- **vm-memory**: this package, and this package with \`VM_MEMORY_FAST_PATHS=0\`.
- **hand-written table**: what a careful user would write, a sorted table of regions on SharedArrayBuffers with a DataView
  for each.
- **koffi view**: the same table on \`koffi.view\` of mapped memory.
- **koffi decode/encode** and **ffi-rs**: a table of pointers. (ffi-rs calls \`memcpy\`.)
- **fs**: reads and writes the anonymous file that guest memory would be made of.

If a column is empty, the contender has no such operation.`

export function makeReport(results: Results, settings: Settings, outcomes: readonly Outcome[]): string {
  return [
    '# Benchmarks',
    '',
    `Written by \`npm run bench\`. Time for one operation: median of ${settings.rounds} rounds, ± half the distance between the quartiles. In`,
    `each round all contenders take their turn, in processes of their own, for about ${settings.milliseconds} ms each, after a garbage`,
    'collection.',
    '',
    row(['', '']),
    row(['---', '---']),
    ...describeMachine().map(row),
    '',
    WHO,
    '',
    ...GROUPS.flatMap((group) => groupTable(group, results)),
    ...(outcomes.length > 0
      ? [
          '## Ratios to reach',
          '',
          'Of the medians of the ratios within each round: the geometric mean, and the worst one.',
          '',
          ...outcomeTable(outcomes),
          '',
        ]
      : []),
  ].join('\n')
}
