/** Prints the threads of a process for the command `quiesce`. The part of the command that loads Effect. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ProcessDump from "../../ProcessDump.ts"
import * as Paint from "../output/paint.ts"
import type { Knocked } from "./knock.ts"
import * as Look from "./look.ts"

export interface Wanted {
  readonly pid: number
  readonly json: boolean
  readonly workers: boolean
}

/** Gives the exit code. */
export const show = async ({ json, pid, workers }: Wanted, knocked: Knocked): Promise<number> => {
  const dump = await Effect.runPromise(Effect.result(Look.at(pid, workers, () => knocked)))
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
