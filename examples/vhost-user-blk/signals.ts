import { constants } from 'node:os'

/** A terminal and `npm run` both pass the same Ctrl-C on; milliseconds within which two signals count as one. */
const SAME_SIGNAL = 500

/**
 * Calls `stop` at the first signal that asks the process to end. The process may then wait for requests in flight; a
 * second signal ends it at once.
 */
export function onSignals(stop: () => void): void {
  let first: number | null = null
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now()
      if (first === null) {
        first = now
        stop()
      } else if (now - first > SAME_SIGNAL) {
        process.exit(128 + constants.signals[signal])
      }
    })
  }
}
