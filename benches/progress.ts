/** How far a run is, where someone looks. */
import { SingleBar } from 'cli-progress'
import type { OnProgress } from './measure.js'

export function makeProgress(): { onProgress: OnProgress; stop: () => void } {
  if (!process.stderr.isTTY) return { onProgress: () => {}, stop: () => {} }
  const bar = new SingleBar({ format: '{bar} {value}/{total} {what}', clearOnComplete: true, stream: process.stderr })
  let started = false
  return {
    onProgress: (done, all, what) => {
      if (!started) bar.start(all, 0, { what })
      started = true
      bar.update(done, { what })
    },
    stop: () => {
      if (started) bar.stop()
    },
  }
}
