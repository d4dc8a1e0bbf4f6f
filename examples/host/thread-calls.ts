/** Signals for one thread of this process: a system call in which it waits returns EINTR then. */
import { checked, libc } from './libc.js'

const gettid = libc.func('int gettid(void)') as () => number
const tgkill = libc.func('int tgkill(int, int, int)') as (process: number, thread: number, signal: number) => number

/** What the system calls the thread that asks. */
export function threadId(): number {
  return gettid()
}

/** Sends a signal that somebody must handle: otherwise it ends the process. */
export function signalThread(thread: number, signal: number): void {
  checked('tgkill', tgkill(process.pid, thread, signal))
}
