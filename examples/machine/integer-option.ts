import { InvalidArgumentError } from 'commander'

/** Takes an integer of a command line, from `from` to `to`. */
export function integer(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < from || value > to) {
      throw new InvalidArgumentError(`It must be an integer from ${from} to ${to}.`)
    }
    return value
  }
}
