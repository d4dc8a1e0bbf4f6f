// The example beside qemu-storage-daemon, on the same guest and image: prints the table of its README.
// `npx tsx __test__/qemu/side-by-side.ts [rounds [part of a title]]`
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BackEnd } from './back-end.js'
import { makeBase } from './initramfs.js'
import { preparePackages, QEMU, type Packages } from './packages.js'
import { VirtualMachine } from './virtual-machine.js'

const SIZE = 64 * 2 ** 20
const SECONDS = 4

interface Job {
  readonly title: string
  readonly options: string
  readonly unit: 'IOPS' | 'MiB/s'
}

const [rounds = '3', wanted = ''] = process.argv.slice(2)

const allJobs: readonly Job[] = [
  { title: '4 KiB random reads, queue depth 1', options: '--rw=randread --bs=4k --iodepth=1', unit: 'IOPS' },
  { title: '4 KiB random reads, queue depth 16', options: '--rw=randread --bs=4k --iodepth=16', unit: 'IOPS' },
  { title: '4 KiB random writes, queue depth 1', options: '--rw=randwrite --bs=4k --iodepth=1', unit: 'IOPS' },
  { title: '4 KiB random writes, queue depth 16', options: '--rw=randwrite --bs=4k --iodepth=16', unit: 'IOPS' },
  { title: '1 MiB reads, queue depth 4', options: '--rw=read --bs=1M --iodepth=4', unit: 'MiB/s' },
  { title: '1 MiB writes, queue depth 4', options: '--rw=write --bs=1M --iodepth=4', unit: 'MiB/s' },
]
const jobs = allJobs.filter(({ title }) => title.includes(wanted))

/** fio's terse output: bandwidth in KiB/s and IOPS of reads are fields 7 and 8, of writes 48 and 49. */
const script = `sleep 1
${jobs
  .map(
    ({ options }, index) => `echo "@begin-${index}"
fio --name=job --filename=/dev/vda --size=${SIZE} --direct=1 --ioengine=libaio ${options} --time_based --runtime=${SECONDS} \\
  --norandommap --randrepeat=1 --minimal > /tmp/terse
echo "@job-${index} $(cut -d';' -f7,8,48,49 /tmp/terse)"
sleep 1`,
  )
  .join('\n')}`

interface Measured {
  readonly rate: number
  /** Microseconds of the back-end's processor time for each request, or each MiB. */
  readonly cpu: number
}

async function measure(packages: Packages, folder: string, base: string, start: Start): Promise<Measured[]> {
  const socket = path.join(folder, 'disk.sock')
  const backEnd = await start(path.join(folder, 'disk.img'), socket)
  try {
    const machine = new VirtualMachine({
      packages,
      folder,
      base,
      socket,
      memory: '512M',
      script,
      threads: 'multi',
      timeout: 200,
    })
    try {
      const results: Measured[] = []
      for (const [index, { unit }] of jobs.entries()) {
        await machine.line(`begin-${index}`)
        const before = backEnd.cpuSeconds()
        const fields = (await machine.line(`job-${index}`)).split(';').map(Number)
        const [bandwidth, iops] = [(fields[0] ?? 0) + (fields[2] ?? 0), (fields[1] ?? 0) + (fields[3] ?? 0)]
        const rate = unit === 'IOPS' ? iops : bandwidth / 1024
        results.push({ rate, cpu: ((backEnd.cpuSeconds() - before) / (rate * SECONDS)) * 1e6 })
      }
      await machine.end()
      return results
    } finally {
      machine.kill()
    }
  } finally {
    await backEnd.stop()
  }
}

type Start = (image: string, socket: string) => Promise<BackEnd>

function startDaemon(packages: Packages): Start {
  return async (image, socket) => {
    const args = [
      '--blockdev',
      `driver=file,filename=${image},node-name=disk`,
      '--export',
      `type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=${socket},writable=on`,
    ]
    const backEnd = new BackEnd(packages.program('qemu-storage-daemon'), args, packages.environment)
    while (!fs.existsSync(socket)) await sleep(10)
    return backEnd
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-qemu-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
const packages = preparePackages(QEMU)
const base = path.join(folder, 'base')
makeBase(packages, base)
fs.writeFileSync(path.join(folder, 'disk.img'), randomFillSync(Buffer.alloc(SIZE)))
const contenders: readonly Start[] = [
  startDaemon(packages),
  (image, socket) => BackEnd.start('vhost-user-blk', [image, socket]),
]
const results: Measured[][][] = [[], []]
// By turns, so that whatever else the machine does meets both.
for (let round = 0; round < Number(rounds); round++) {
  for (const [index, start] of contenders.entries()) {
    fs.rmSync(path.join(folder, 'disk.sock'), { force: true })
    const measured = await measure(packages, folder, base, start)
    console.error(
      `round ${round}, ${index === 0 ? 'daemon' : 'this'}: ${measured.map(({ rate }) => Math.round(rate)).join(' ')}`,
    )
    results[index]?.push(measured)
  }
}
console.log(
  `| guest's fio, ${SECONDS} s | unit | qemu-storage-daemon | this | ratio | daemon, CPU µs each | this, CPU µs each |`,
)
console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: |')
for (const [index, { title, unit }] of jobs.entries()) {
  const [daemon, own] = results.map((rows) => ({
    rate: median(rows.map((row) => row[index]?.rate ?? Number.NaN)),
    cpu: median(rows.map((row) => row[index]?.cpu ?? Number.NaN)),
  })) as [Measured, Measured]
  const rates = `${Math.round(daemon.rate)} | ${Math.round(own.rate)} | ${(own.rate / daemon.rate).toFixed(2)}`
  console.log(`| ${title} | ${unit} | ${rates} | ${daemon.cpu.toFixed(0)} | ${own.cpu.toFixed(0)} |`)
}
