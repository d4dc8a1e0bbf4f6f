const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** A number of bytes for people: three digits, and a unit. */
export function sizeText(bytes: number): string {
  const unit = bytes === 0 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 2 ** (10 * unit)
  return `${Number.isInteger(value) ? value : value.toPrecision(3)} ${UNITS[unit]}`
}

export const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
