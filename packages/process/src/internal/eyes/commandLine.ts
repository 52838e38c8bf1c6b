/** The command `quiesce`: reads its arguments, prints, and gives the exit code. */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Paint from "../output/paint.ts"
import { printable } from "@quiesce/core/ThreadDump"
import * as ProcessDump from "../../ProcessDump.ts"
import * as Listing from "./listing.ts"

export const usage = `Usage:
  quiesce ps [--json]                     lists the Node processes of this user
  quiesce ps PID [--json] [--no-workers]  prints the threads of a process, with the stacks of busy threads
`

type Request =
  | { readonly _tag: "Help" }
  | { readonly _tag: "Wrong"; readonly problem: string }
  | { readonly _tag: "List"; readonly json: boolean }
  | { readonly _tag: "Show"; readonly pid: number; readonly json: boolean; readonly workers: boolean }

const options = {
  json: { type: "boolean", default: false },
  workers: { type: "boolean", default: true },
  help: { type: "boolean", short: "h", default: false }
} as const

export const parse = (args: ReadonlyArray<string>): Request => {
  const parsed = Result.try({
    try: () => parseArgs({ args: [...args], options, allowPositionals: true, allowNegative: true }),
    // Node's message names the argument and the remedy.
    catch: (error) => (error as Error).message
  })
  if (Result.isFailure(parsed)) return { _tag: "Wrong", problem: parsed.failure }
  const { positionals, values } = parsed.success
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
  const targets = await Listing.all()
  const rows = targets.map(({ command, process: { pid } }) => ({ pid, command }))
  const lines = rows.map(({ command, pid }) => `${String(pid).padStart(7)} ${printable(command.join(" "))}`)
  const text = rows.length === 0 ? "No Node process of this user can be looked at." : lines.join("\n")
  process.stdout.write(`${json ? JSON.stringify(rows) : text}\n`)
  return 0
}

const show = async ({ json, pid, workers }: Extract<Request, { readonly _tag: "Show" }>): Promise<number> => {
  const dump = await Effect.runPromise(Effect.result(ProcessDump.of(pid, { workers })))
  if (Result.isFailure(dump)) {
    process.stderr.write(`quiesce: ${dump.failure.message}\n`)
    return 1
  }
  const text = json
    ? JSON.stringify(Schema.encodeSync(ProcessDump.ProcessDumpSchema)(dump.success))
    : ProcessDump.render(dump.success, Paint.on(process.stdout))
  process.stdout.write(`${text}\n`)
  return 0
}
