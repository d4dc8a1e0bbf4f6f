// Builds the addon with AddressSanitizer and runs the specs on it: `npm run test:asan [-- spec …]`.
// Needs `npm run build` before (native.js, dist/), gcc's libasan, and Linux on x86-64 or arm64.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** Specs whose subject the sanitizer takes away, and why. */
const leftOut = new Map([])

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const out = path.join(root, 'out-asan')
const target = { x64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' }[process.arch]

function fail(message) {
  console.error(message)
  process.exit(1)
}

function run(command, args, env) {
  const { status } = spawnSync(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
  return status === 0
}

if (process.platform !== 'linux' || target === undefined) fail('test:asan runs on Linux, on x86-64 and arm64.')
for (const file of ['native.js', 'dist/index.js']) {
  if (!existsSync(path.join(root, file))) fail(`${file} is missing: run npm run build first.`)
}
// gcc answers with the bare name where it has no such file.
const runtime = execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
if (!path.isAbsolute(runtime)) fail('libasan.so is missing: install the sanitizer libraries of gcc.')

// Unoptimized, with debug assertions and checks of overflow. A target folder of its own, since these flags are for
// every crate; a target triple, so that they are not for build scripts and macros.
const built = run(
  'npx',
  'napi build --platform --manifest-path crate/Cargo.toml --output-dir out-asan --target'.split(' ').concat(target),
  { CARGO_TARGET_DIR: 'target/asan', RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Zsanitizer=address' },
)
if (!built) fail('The build with AddressSanitizer failed.')

const reports = path.join(out, 'reports')
const tools = path.join(out, 'tools')
rmSync(reports, { recursive: true, force: true })
mkdirSync(reports)
mkdirSync(tools, { recursive: true })
// Some specs ask cargo where upstream's sources are. The compiler crashes with libasan before it.
const cargo = execFileSync('sh', ['-c', 'command -v cargo'], { encoding: 'utf8' }).trim()
writeFileSync(path.join(tools, 'cargo'), `#!/bin/sh\nunset LD_PRELOAD\nexec '${cargo}' "$@"\n`, { mode: 0o755 })
const env = {
  NAPI_RS_NATIVE_LIBRARY_PATH: path.join(out, `vm-memory.linux-${process.arch}-gnu.node`),
  LD_PRELOAD: runtime,
  PATH: `${tools}${path.delimiter}${process.env.PATH}`,
  ASAN_OPTIONS: [
    // Node itself frees little when it ends.
    'detect_leaks=0',
    // As malloc does where there is no memory: specs ask for absurd sizes.
    'allocator_may_return_null=1',
    // To files, so that none is lost in a child whose failure a spec expects.
    `log_path=${path.join(reports, 'asan')}`,
  ].join(':'),
}

// The loader goes on to the next candidate when it cannot load the first.
const probe = `require(${JSON.stringify(root)})
const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8')
process.exit(maps.includes(process.env.NAPI_RS_NATIVE_LIBRARY_PATH) && maps.includes('libasan') ? 0 : 1)`
if (!run(process.execPath, ['-e', probe], env)) fail('The addon with AddressSanitizer does not load.')

let specs = process.argv.slice(2)
if (specs.length === 0) {
  for (const [spec, reason] of leftOut) console.log(`Left out: ${spec} (${reason})`)
  specs = [...leftOut.keys()].map((spec) => `!__test__/${spec}`)
}
// One after another: some specs give the programs they start a time, which is short enough for slow code.
const passed = run('npx', ['ava', '--timeout=10m', '--concurrency=1', ...specs], env)

// The other files are warnings of allocations that were refused.
const found = readdirSync(reports)
  .map((report) => readFileSync(path.join(reports, report), 'utf8'))
  .filter((report) => report.includes('ERROR: AddressSanitizer'))
for (const report of found) console.error(report)
if (found.length > 0) fail(`AddressSanitizer has reported ${found.length} time(s).`)
process.exit(passed ? 0 : 1)
