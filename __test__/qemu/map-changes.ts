// Thousands of map changes under I/O, while what the device holds of the guest is counted.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import type { Scenario } from '../scenario.js'
import type { BackEnd, Holdings } from './back-end.js'
import { NO_SLOTS, runGuest, verifyDisk, type Setting } from './guest.js'

const MAP_CHANGES = 4000

/** Milliseconds between two looks at the device. */
const INTERVAL = 50

interface Counts extends Holdings {
  /** Ranges of addresses: the heap's, the libraries', and those that views keep when memory was given back. */
  readonly areas: number
}

/** What a device holds while it works. */
class Looks {
  readonly atRest: Counts
  readonly #backEnd: BackEnd
  readonly #looks: Counts[] = []

  constructor(backEnd: BackEnd) {
    this.#backEnd = backEnd
    this.atRest = this.#count()
  }

  /** Looks again and again, until the promise settles. */
  async during<T>(promise: Promise<T>): Promise<T> {
    const timer = setInterval(() => this.#looks.push(this.#count()), INTERVAL)
    try {
      return await promise
    } finally {
      clearInterval(timer)
    }
  }

  of(what: keyof Counts): { median: number; most: number } {
    const sorted = this.#looks.map((look) => look[what]).toSorted((a, b) => a - b)
    return { median: sorted[sorted.length >> 1] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN }
  }

  toString(): string {
    const told = (['mappings', 'descriptors', 'areas'] as const).map((what) => {
      const { median, most } = this.of(what)
      return `${what} ${this.atRest[what]} at rest, ${median} in the median, ${most} at most`
    })
    return `${this.#looks.length} looks: ${told.join('; ')}`
  }

  #count(): Counts {
    return { ...this.#backEnd.holdings(), areas: this.#backEnd.areas() }
  }
}

/** Without flushes: a disk that is busy may take seconds for one, and the request keeps its map that long. */
const load = verifyDisk
  .replace('--fsync=64 ', '')
  .replace('echo @verified', 'rounds=$((rounds+1))')
  .replace('echo @fail fio', 'echo @fail fio; break')

// Bit 1 of the command register: whether the device's memory is there at all. Each write of it is a map change. What
// stands before the register cannot be written, so the shell needs no other program to get there.
const script = `for device in /sys/bus/pci/devices/*; do
  [ "$(cat $device/vendor $device/device | tr '\\n' ' ')" = "0x1af4 0x1110 " ] && config=$device/config
done
echo @ready
read line
pairs=0
( while [ $pairs -lt ${MAP_CHANGES / 2} ]; do
    printf '\\364\\032\\020\\021\\000\\000' > $config; printf '\\364\\032\\020\\021\\002\\000' > $config; pairs=$((pairs+1))
  done; touch /tmp/toggled ) &
rounds=0
while [ ! -e /tmp/toggled ]; do
  ${load}
done
wait
echo "@rounds $rounds"`

/**
 * Memory is given back when the requests are done that began with it, which the disk may delay. Were it not, all of
 * `mapped` would be there in the end, and half of it in the median.
 */
function assertBounded(looks: Looks, mapped: number): void {
  for (const what of ['mappings', 'descriptors'] as const) {
    const [rest, { median, most }] = [looks.atRest[what], looks.of(what)]
    assert.ok(most <= rest + mapped / 4, `${looks}`)
    assert.ok(median <= rest + mapped / 40, `${looks}`)
  }
}

/** A region is plugged and unplugged, or, with `isWhole`, each change is all regions anew. */
function churn(title: string, isWhole: boolean): Scenario<Setting> {
  const backEndOptions = isWhole ? NO_SLOTS : []
  return {
    title,
    async run(setting) {
      const extra = ['-object', 'memory-backend-memfd,id=iv,size=16M,share=on', '-device', 'ivshmem-plain,memdev=iv']
      const options = { memory: '512M', queues: 2, cpus: 2, script, extra, backEndOptions, timeout: 240 }
      let told = ''
      const changes = await runGuest(setting, options, async ({ machine, backEnd }) => {
        await machine.line('ready')
        const looks = new Looks(backEnd)
        machine.say('go')
        const rounds = Number(await looks.during(machine.line('rounds')))
        assert.ok(rounds >= 1)
        assertBounded(looks, isWhole ? MAP_CHANGES * looks.atRest.mappings : MAP_CHANGES / 2)
        told = `${rounds} rounds of fio; ${looks}`
      })
      assert.ok(changes >= MAP_CHANGES, `${changes} map changes`)
      return `${changes} map changes under ${told}`
    },
  }
}

export const mapChanges: readonly Scenario<Setting>[] = [
  churn('thousands of map changes under fio, a region at a time', false),
  churn('thousands of map changes under fio, as whole tables', true),
]
