/** What the thread of a processor and the others tell each other, without messages: it waits in KVM_RUN, and has no time for any. */
const TURN = 0
const INTERRUPT = 1
const THREAD = 2
const COUNTERS = 3

/** The turn of a thread that is to forget the processor. */
export const END = -2

/** Whether the processor is to stand still at that turn. */
export const isStop = (turn: number): boolean => (turn & 1) === 1

/** What a processor has left the guest for. */
export const EXITS = ['loads from the disk', 'stores to the disk', 'halts', 'lines', 'others', 'signals'] as const
export type Exit = (typeof EXITS)[number]

export class VcpuControl {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(shared = new SharedArrayBuffer(4 * (COUNTERS + EXITS.length))) {
    this.shared = shared
    this.#words = new Int32Array(shared)
  }

  /** What the processor is to do. Each change is another number, so that none is missed, however short it was. */
  get turn(): number {
    return Atomics.load(this.#words, TURN)
  }

  set turn(value: number) {
    Atomics.store(this.#words, TURN, value)
    Atomics.notify(this.#words, TURN)
  }

  /** Waits until it is another turn than this one. */
  waitAfter(turn: number): void {
    while (this.turn === turn) Atomics.wait(this.#words, TURN, turn)
  }

  interrupt(): void {
    Atomics.store(this.#words, INTERRUPT, 1)
    Atomics.notify(this.#words, INTERRUPT)
  }

  /** Waits for an interrupt, unless there was one since the last time. */
  waitForInterrupt(): void {
    while (Atomics.exchange(this.#words, INTERRUPT, 0) === 0) Atomics.wait(this.#words, INTERRUPT, 0)
  }

  /** The number of the thread for `tgkill`. */
  get thread(): number {
    return Atomics.load(this.#words, THREAD)
  }

  set thread(value: number) {
    Atomics.store(this.#words, THREAD, value)
  }

  count(exit: Exit): void {
    Atomics.add(this.#words, COUNTERS + EXITS.indexOf(exit), 1)
  }

  counted(exit: Exit): number {
    return Atomics.load(this.#words, COUNTERS + EXITS.indexOf(exit))
  }
}
