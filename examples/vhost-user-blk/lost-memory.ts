/**
 * Memory that the front-end has taken away: it has truncated the file, or the host has no page for it. Methods throw then, since it is
 * mapped with `recoverFaults`; system calls on views fail.
 */
export function isLost(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'ERR_MEMORY_FAULT' || code === 'EFAULT'
}
