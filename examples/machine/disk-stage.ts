import { openSync } from 'node:fs'
import type { GuestMemoryAtomic } from '../../index.js'
import { BlkDevice } from './blk-device.js'
import { BlkDriver } from './blk-driver.js'
import { BlockExercise } from './block-exercise.js'
import { BufferPool } from './buffer-pool.js'
import type { Settings } from './command-line.js'
import { digestOfFile, type DiskImage } from './disk-image.js'
import { HotPlug } from './hot-plug.js'
import { GIB, MIB, ROM_BASE, type MachineMemory } from './memory-layout.js'
import type { Progress } from './progress.js'
import { POOL_SIZE, type RamPlan } from './ram-plan.js'
import type { Result, Work } from './report.js'
import { SeededRandom } from './seeded-random.js'
import * as blk from '../virtio/virtio-blk.js'
import { mixedRequests, sequentialReads } from './workload.js'

/** The last stage reads no more than this of a large disk. */
const SWEEP_LIMIT = GIB
const DISK_ID = 'vm-memory-disk'

function pools(plan: RamPlan, { highRam }: MachineMemory): BufferPool[] {
  const low = new BufferPool(plan.pool, plan.pool + POOL_SIZE)
  if (highRam === null) return [low]
  return [low, new BufferPool(highRam.start, Math.min(highRam.end, highRam.start + POOL_SIZE))]
}

/** Works the disk through a virtqueue in `memory`: a mix of requests with hot-plug under them, then all of it once. */
export async function runDiskStage(
  memory: GuestMemoryAtomic,
  machine: MachineMemory,
  plan: RamPlan,
  disk: DiskImage,
  settings: Settings,
  progress: Progress,
): Promise<Result> {
  const random = new SeededRandom(settings.seed)
  const hotPlug = new HotPlug(memory, machine.hotPlugBase, random)
  const driver = new BlkDriver(memory, plan.queue, plan.slots)
  const device = new BlkDevice(memory, plan.queue, { fd: disk.fd, sectors: disk.sectors, id: DISK_ID })
  const auditFd = openSync(disk.path, 'r')
  const exercise = new BlockExercise({
    memory,
    driver,
    device,
    pools: pools(plan, machine),
    hotPlug,
    hotPlugEvery: settings.hotPlugEvery,
    auditFd,
    diskId: DISK_ID,
    random,
  })
  const advance = (): void => progress.advance(1)

  // The first request asks to read into the ROM.
  exercise.provoke({ addr: ROM_BASE, len: blk.SECTOR_SIZE, pools: [] })
  progress.begin('mixed requests', settings.requests)
  const mixed = await exercise.run(mixedRequests(settings.requests, disk.sectors, random), advance)
  progress.end()

  const sectors = Math.min(disk.sectors, SWEEP_LIMIT / blk.SECTOR_SIZE)
  const plans = [...sequentialReads(sectors)]
  progress.begin('read the disk', plans.length)
  const sweep = await exercise.run(plans, advance)
  progress.end()
  const digest = digestOfFile(auditFd, sectors * blk.SECTOR_SIZE)

  const blockWork = (name: string, type: number): Work => {
    const { requests, failed, bytes, milliseconds } = device.counts(type)
    return { name, count: requests - failed, bytes, milliseconds }
  }
  return {
    problems: exercise.problems,
    checks: [
      { name: 'disk reads', ...mixed.reads },
      { name: 'disk writes', ...mixed.writes },
      {
        name: sectors === disk.sectors ? 'the whole disk' : `first ${SWEEP_LIMIT / MIB} MiB of disk`,
        guest: sweep.reads.guest,
        file: digest,
      },
    ],
    work: [
      blockWork('virtio-blk reads', blk.VIRTIO_BLK_T_IN),
      blockWork('virtio-blk writes', blk.VIRTIO_BLK_T_OUT),
      { ...blockWork('virtio-blk flushes', blk.VIRTIO_BLK_T_FLUSH), bytes: undefined },
      { ...blockWork('virtio-blk ids', blk.VIRTIO_BLK_T_GET_ID), bytes: undefined },
      { name: 'requests refused, as due', count: exercise.refused },
      { name: 'notifications', count: exercise.notifications },
      { name: 'interrupts', count: device.interrupts },
      { name: 'regions hot-added', count: hotPlug.added, milliseconds: hotPlug.addingMs },
      { name: 'regions hot-removed', count: hotPlug.removed, milliseconds: hotPlug.removingMs },
      { name: 'buffers in hot-added regions', count: exercise.hotPluggedBuffers },
      { name: 'buffers across two regions', count: exercise.crossingBuffers },
    ],
  }
}
