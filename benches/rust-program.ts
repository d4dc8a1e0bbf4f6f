/** Builds the Rust program. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export function buildRustProgram(): void {
  const manifest = fileURLToPath(new URL('rust/Cargo.toml', import.meta.url))
  const { status, error } = spawnSync(
    'cargo',
    ['build', '--release', '--locked', '--quiet', '--manifest-path', manifest],
    {
      stdio: 'inherit',
      // It is looked for beside its manifest.
      env: { ...process.env, CARGO_TARGET_DIR: undefined },
    },
  )
  if (error) throw error
  if (status !== 0) throw new Error('the Rust program cannot be built')
}
