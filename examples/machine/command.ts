/** What the command lines of all examples have in common. */
import { readFileSync } from 'node:fs'
import { CommanderError, type Command } from 'commander'
import { UsageError } from './usage-error.js'

/** Adds what all commands have, and lets `parse` say what is wrong. For those that a command has below it, too, if it comes first. */
export function withCommonOptions(command: Command): Command {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return command
    .version(manifest.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .configureOutput({ outputError: () => {} })
    .exitOverride()
}

/** Parses arguments. Returns false when `--help` or `--version` has been answered. Throws `UsageError`. */
export function parse(command: Command, argv: readonly string[]): boolean {
  try {
    command.parse(argv, { from: 'user' })
    return true
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return false
    // Suggestions come on a line of their own; one line is promised.
    throw new UsageError(error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' '))
  }
}
