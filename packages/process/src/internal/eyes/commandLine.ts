/**
 * The command `quiesce`: reads its arguments, prints, and gives the exit code.
 *
 * Nothing here loads Effect before the process has the signal, because Effect takes as long to load as a process takes to
 * open its inspector.
 */
import { parseArgs } from "node:util"
import { endings } from "../signals/signalName.ts"
import * as Knock from "./knock.ts"
import * as Listing from "./listing.ts"
import type { Wanted } from "./show.ts"

export const usage = `Usage:
  quiesce ps [--json]                     lists the Node processes of this user
  quiesce ps PID [--json] [--no-workers]  prints the threads of a process, with the stacks of busy threads
`

type Request =
  | { readonly _tag: "Help" }
  | { readonly _tag: "Wrong"; readonly problem: string }
  | { readonly _tag: "List"; readonly json: boolean }
  | ({ readonly _tag: "Show" } & Wanted)

const options = {
  json: { type: "boolean", default: false },
  workers: { type: "boolean", default: true },
  help: { type: "boolean", short: "h", default: false }
} as const

const parsedOf = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, allowNegative: true })
  } catch (error) {
    // Node's message names the argument and the remedy.
    return (error as Error).message
  }
}

export const parse = (args: ReadonlyArray<string>): Request => {
  const parsed = parsedOf(args)
  if (typeof parsed === "string") return { _tag: "Wrong", problem: parsed }
  const { positionals, values } = parsed
  const [command, pid, ...more] = positionals
  if (values.help || command === undefined) return { _tag: "Help" }
  if (command !== "ps") return { _tag: "Wrong", problem: `"${command}" is no command` }
  if (more.length > 0) return { _tag: "Wrong", problem: `"${more[0]}" is one argument too many` }
  if (pid === undefined) return { _tag: "List", json: values.json }
  if (!/^[1-9]\d{0,9}$/.test(pid)) return { _tag: "Wrong", problem: `"${pid}" is no number of a process` }
  return { _tag: "Show", pid: Number(pid), json: values.json, workers: values.workers }
}

/** The exit codes are 0, 1 for a process that can't be looked at, and 2 for wrong arguments. */
export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const request = parse(args)
  switch (request._tag) {
    case "Help":
      process.stdout.write(usage)
      return 0
    case "Wrong":
      process.stderr.write(`quiesce: ${request.problem}.\n${usage}`)
      return 2
    case "List":
      return list(request.json)
    case "Show":
      return show(request)
  }
}

const list = async (json: boolean): Promise<number> => {
  const [targets, { printable }] = await Promise.all([Listing.all(), import("@quiesce/core/ThreadDump")])
  const rows = targets.map(({ command, process: { pid } }) => ({ pid, command }))
  const lines = rows.map(({ command, pid }) => `${String(pid).padStart(7)} ${printable(command.join(" "))}`)
  const text = rows.length === 0 ? "No Node process of this user can be looked at." : lines.join("\n")
  process.stdout.write(`${json ? JSON.stringify(rows) : text}\n`)
  return 0
}

const show = async (wanted: Wanted): Promise<number> => {
  // Before the knock, because an inspector that is open must be closed again.
  const signals = new AbortController()
  for (const signal of endings) process.once(signal, () => signals.abort(signal))
  const knocked = Knock.at(wanted.pid)
  const { show } = await import("./show.ts")
  return show(wanted, knocked, signals.signal)
}
