/** What the person at the keyboard can put right: shown as one line on stderr, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
