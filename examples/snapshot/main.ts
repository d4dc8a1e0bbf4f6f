/**
 * Saves, restores, compares and looks into files of guest memory.
 *
 *     npm run snapshot -- save vm.mem vm.snapshot --region 0:3G --region 4G:1G
 *     npm run snapshot -- inspect vm.snapshot --find 'Linux version'
 */
import { reasonOf } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import { parseCommandLine } from './command-line.js'
import { copy } from './copy.js'
import { diff } from './diff.js'
import { inspect } from './inspect.js'
import { Interruption, Watch } from './watch.js'

async function main(): Promise<number> {
  const watch = new Watch()
  /** Of diff, 1 says that there is a difference. */
  let failure = 1
  try {
    const order = parseCommandLine(process.argv.slice(2))
    switch (order?.name) {
      case 'save':
      case 'restore':
        await copy(order, watch)
        return 0
      case 'diff':
        failure = 2
        return (await diff(order, watch)) ? 1 : 0
      case 'inspect':
        await inspect(order, watch)
        return 0
      case undefined:
        return 0
    }
  } catch (error) {
    watch.end()
    console.error(`snapshot: ${reasonOf(error)}`)
    if (watch.signal.reason instanceof Interruption) return watch.signal.reason.exitCode
    return error instanceof UsageError ? 2 : failure
  }
}

// Whoever reads the output may have seen enough (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 128 + 13 : 1))

process.exitCode = await main()
