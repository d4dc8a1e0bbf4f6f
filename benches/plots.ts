/** The plots: what the main works cost, and how cost grows with regions and threads. */
import { createRequire } from 'node:module'
import { CONTENDERS, type Contender, GROUPS, SCALED_REGION_COUNTS, THREAD_COUNTS, type Work } from './catalogue.js'
import { duration } from './format.js'
import { median, quantile, type Results, type Samples } from './measure.js'

interface Chart {
  setOption(option: object): void
  renderToSVGString(): string
  dispose(): void
}

// Its declarations need those of a browser, which the whole project would then see.
const echarts = createRequire(import.meta.url)('echarts') as {
  init(element: null, theme: null, options: { renderer: 'svg'; ssr: true; width: number; height: number }): Chart
}

function render(width: number, height: number, option: object): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'Arial, Helvetica, sans-serif' },
    ...option,
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return `${svg}\n`
}

/** The works that speak for all. */
const MAIN_WORKS = [
  'scalar/read/u32/1',
  'scalar/read/u32/8',
  'scalar/write/u64/8',
  'scalar/read/u32/256',
  'ring/load',
  'ring/store',
  'guard/cycle',
  'lookup/find/8',
  'copy/read/64/one',
  'copy/read/4096/one',
  'copy/write/4096/two',
  'copy/read/65536/one',
  'copy/read/1048576/one',
  'transfer/read/65536',
  'plug/8',
]

const ROW = 46
const TEXT = '#222222'
const MUTED = '#d8d8d8'

function powerLabel(value: number): string {
  return duration(value).replace(/\.0+(?= )/, '')
}

const LOG_AXIS = {
  type: 'log',
  axisLabel: { formatter: powerLabel, color: TEXT, fontSize: 13 },
  splitLine: { lineStyle: { color: MUTED } },
  axisLine: { show: true, lineStyle: { color: TEXT } },
}

function legend(contenders: readonly Contender[], top: number): object {
  return {
    top,
    left: 'center',
    width: '92%',
    itemGap: 34,
    itemWidth: 18,
    textStyle: { color: TEXT, fontSize: 13 },
    data: contenders.map(({ title }) => title),
  }
}

function title(text: string, subtext: string): object {
  return {
    text,
    subtext,
    left: 'center',
    top: 8,
    textStyle: { color: TEXT, fontSize: 18 },
    subtextStyle: { color: '#555555', fontSize: 13 },
  }
}

function style(contender: Contender): object {
  const { title: name, symbol, colour } = contender
  return { name, symbol, itemStyle: { color: colour }, color: colour }
}

interface RenderApi {
  value(dimension: number): number
  coord(point: [number, number]): [number, number]
}

/** From quartile to quartile, behind the point. */
function whiskers(points: readonly { row: number; samples: Samples }[], colour: string, offset: number): object {
  return {
    type: 'custom',
    silent: true,
    data: points.map(({ row, samples }) => [quantile(samples, 0.25), quantile(samples, 0.75), row]),
    renderItem: (_: unknown, api: RenderApi) => {
      const [x1, y] = api.coord([api.value(0), api.value(2)])
      const [x2] = api.coord([api.value(1), api.value(2)])
      return {
        type: 'line',
        shape: { x1, x2, y1: y + offset, y2: y + offset },
        style: { stroke: colour, lineWidth: 2, opacity: 0.6 },
      }
    },
  }
}

export function plotResults(results: Results): string | null {
  const titles = new Map(GROUPS.flatMap((group) => group.works.map((work): [string, Work] => [work.id, work])))
  const works = MAIN_WORKS.filter((id) => results.get(id)?.size).map((id) => titles.get(id)!)
  if (works.length === 0) return null
  const present = CONTENDERS.filter(({ id }) => works.some((work) => results.get(work.id)?.has(id)))
  const series = present.flatMap((contender, index) => {
    // Side by side in a row, so that none hides another.
    const offset = (index - (present.length - 1) / 2) * 4
    const points = works.flatMap((work, row) => {
      const samples = results.get(work.id)?.get(contender.id)
      return samples ? [{ row, samples }] : []
    })
    return [
      whiskers(points, contender.colour, offset),
      {
        ...style(contender),
        type: 'scatter',
        symbolSize: 10,
        symbolOffset: [0, offset],
        data: points.map(({ row, samples }) => [median(samples), row]),
      },
    ]
  })
  return render(1000, 185 + works.length * ROW, {
    title: title('Time for one operation', 'logarithmic; further left is faster; bars from quartile to quartile'),
    legend: legend(present, 62),
    grid: { left: 250, right: 40, top: 150, bottom: 40 },
    xAxis: LOG_AXIS,
    yAxis: {
      type: 'category',
      inverse: true,
      data: works.map((work) => work.title),
      axisLabel: { color: TEXT, fontSize: 13 },
      axisTick: { show: false },
      splitLine: { show: true, lineStyle: { color: MUTED } },
    },
    series,
  })
}

interface Panel {
  readonly heading: string
  readonly x: string
  readonly works: readonly string[]
  readonly labels: readonly string[]
}

const PANELS: readonly Panel[] = [
  {
    heading: 'read u32 at random addresses',
    x: 'regions',
    works: SCALED_REGION_COUNTS.map((count) => `regions/read/${count}`),
    labels: SCALED_REGION_COUNTS.map(String),
  },
  {
    heading: 'read u32, 8 regions',
    x: 'threads',
    works: THREAD_COUNTS.map((count) => `threads/read/${count}`),
    labels: THREAD_COUNTS.map(String),
  },
  {
    heading: 'guard cycle',
    x: 'threads',
    works: THREAD_COUNTS.map((count) => `threads/guard/${count}`),
    labels: THREAD_COUNTS.map(String),
  },
]

const PLACES = [
  { left: 80, width: 430 },
  { left: 590, width: 150 },
  { left: 820, width: 150 },
]

export function plotScaling(results: Results): string | null {
  const all = PANELS.flatMap(({ works }) => works)
  const present = CONTENDERS.filter(({ id }) => all.some((work) => results.get(work)?.has(id)))
  if (present.length === 0) return null
  const [top, height] = [185, 330]
  return render(1000, 595, {
    title: [
      title('Time for one access', 'logarithmic; lower is faster; with threads, each thread does all of the work'),
      ...PANELS.map(({ heading }, index) => ({
        text: heading,
        left: PLACES[index]!.left + PLACES[index]!.width / 2,
        top: top - 34,
        textAlign: 'center',
        textStyle: { color: TEXT, fontSize: 14, fontWeight: 'normal' },
      })),
    ],
    legend: legend(present, 62),
    grid: PLACES.map((place) => ({ ...place, top, height })),
    xAxis: PANELS.map(({ x, labels }, gridIndex) => ({
      gridIndex,
      type: 'category',
      name: x,
      nameLocation: 'middle',
      nameGap: 30,
      nameTextStyle: { color: TEXT, fontSize: 13 },
      data: labels,
      axisLabel: { color: TEXT, fontSize: 13 },
    })),
    yAxis: PANELS.map((_, gridIndex) => ({ ...LOG_AXIS, gridIndex })),
    series: PANELS.flatMap(({ works }, index) =>
      present.map((contender) => ({
        ...style(contender),
        type: 'line',
        xAxisIndex: index,
        yAxisIndex: index,
        symbolSize: 8,
        lineStyle: { color: contender.colour, width: 2 },
        data: works.map((work) => {
          const samples = results.get(work)?.get(contender.id)
          return samples ? median(samples) : null
        }),
      })),
    ),
  })
}

/** What is mapped after so many changes of a map (`__test__/release/map-changes.mjs`). */
export interface MapChange {
  readonly changes: number
  readonly mappings: number
  readonly descriptors: number
  readonly all: number
  readonly mebibytes: number
}

export function plotMapChanges(released: readonly MapChange[], left: readonly MapChange[]): string {
  const lines: [name: string, colour: string, counts: readonly MapChange[]][] = [
    ['synchronize and release', '#0b7a3e', released],
    ['left to the collector', '#c2410c', left],
  ]
  return render(1000, 420, {
    title: title(
      'Mappings of the files of four regions',
      'counted each 100 changes of the map; each mapping has one descriptor; two workers read',
    ),
    legend: { top: 62, textStyle: { color: TEXT, fontSize: 13 }, data: lines.map(([name]) => name) },
    grid: { left: 80, right: 40, top: 110, bottom: 60 },
    xAxis: { type: 'value', max: 'dataMax', name: 'changes', nameLocation: 'middle', nameGap: 30 },
    yAxis: { type: 'value', min: 0, splitLine: { lineStyle: { color: MUTED } } },
    series: lines.map(([name, color, counts]) => ({
      name,
      type: 'line',
      showSymbol: false,
      itemStyle: { color },
      lineStyle: { color, width: 2 },
      data: counts.map(({ changes, mappings }) => [changes, mappings]),
    })),
  })
}
