/** Numbers for people. */

/** Three digits that count. */
export function digits(value: number): string {
  if (value >= 100) return String(Math.round(value))
  if (value >= 10) return value.toFixed(1)
  return value >= 0.1 || value === 0 ? value.toFixed(2) : value.toPrecision(2)
}

export function duration(nanoseconds: number): string {
  if (nanoseconds < 999.5) return `${digits(nanoseconds)} ns`
  if (nanoseconds < 999_500) return `${digits(nanoseconds / 1e3)} µs`
  return `${digits(nanoseconds / 1e6)} ms`
}
