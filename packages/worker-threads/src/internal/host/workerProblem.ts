/** Why a worker has ended: in one sentence, with the error behind it. */
import { messageOf } from "@quiesce/core/internal"
import * as WorkerError from "../../WorkerError.ts"
import { BadMessage } from "../wire/toHost.ts"

export class WorkerProblem {
  private message: string | undefined = undefined
  /** The error behind the problem, with its stack. */
  private cause: unknown = undefined

  /** Notes a problem that the host has seen. The first one counts. */
  note(message: string, cause?: unknown): void {
    this.message ??= message
    this.cause ??= cause
  }

  /** Notes an error of the host while it handled a message of the worker. */
  caught(cause: unknown): void {
    const own = cause instanceof BadMessage ? cause.message : undefined
    this.note(own ?? `the host could not handle what it sent: ${messageOf(cause)}`, cause)
  }

  /** Notes the worker's own words, which count more than any other. Further lines are the stack. */
  reported(printed: string): void {
    const error = new Error(printed.split("\n", 1)[0])
    error.stack = printed
    this.message = error.message
    this.cause = error
  }

  exited(code: number, likely: () => string): WorkerError.WorkerError {
    return WorkerError.make({ _tag: "WorkerExited", code, problem: this.message ?? likely() }, this.cause)
  }
}
