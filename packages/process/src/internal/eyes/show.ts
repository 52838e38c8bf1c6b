/** Prints the threads of a process for the command `quiesce`. The part of the command that loads Effect. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ProcessDump from "../../ProcessDump.ts"
import * as Paint from "../output/paint.ts"
import { exitCode } from "../signals/signalName.ts"
import type { Knocked } from "./knock.ts"
import * as Look from "./look.ts"

export interface Wanted {
  readonly pid: number
  readonly json: boolean
  readonly workers: boolean
}

/** Gives the exit code. The reason of `interrupted` is the name of a signal. */
export const show = async (
  { json, pid, workers }: Wanted,
  knocked: Knocked,
  interrupted: AbortSignal
): Promise<number> => {
  const looked = Effect.result(Look.at(pid, workers, () => knocked))
  const exit = await Effect.runPromiseExit(looked, { signal: interrupted })
  if (interrupted.aborted) return exitCode(interrupted.reason)
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  const dump = exit.value
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
