/** The program of a process: interprets a program of the laws, with a token and a signal made of the requests of its parent. */
import { toError } from "@quiesce/core/internal/plain"
import type { CancelReason } from "@quiesce/core/CancelReason"
import type { Request } from "@quiesce/process/ProcessThread"
import type { Task } from "@quiesce/worker-threads"
import * as PlainInterpretation from "../plain/plainInterpretation.ts"
import { reasonOf } from "../plain/plainWords.ts"
import { Lockstep } from "./lockstep.ts"
import type { Given } from "./messages.ts"

// The run is the only caller.
const given = JSON.parse(process.argv[2]!) as Given
const { fault } = given
const harness = new Lockstep()
const controller = new AbortController()

let reason: CancelReason | undefined
const token = {
  stopRequested: false,
  interrupted: false,
  get reason() {
    return reason
  },
  check: (): void => {
    if (token.interrupted && reason !== undefined) throw toError(reason)
  }
}

process.on("message", (request: Request) => {
  reason ??= request.reason
  harness.requested(request.reason.at ?? 0)
  token.stopRequested = true
  if (request.rung !== "interrupt") return
  token.interrupted = true
  controller.abort(toError(reason))
})

// The interpreter needs only the token and the signal of a context, and no lock.
const context = { token, signal: controller.signal } as unknown as Task.TaskContext
const worker = {
  harness,
  lock: undefined,
  fault,
  shortenGrace: () => () => {}
}

try {
  await PlainInterpretation.call({ run: 0, mutex: undefined as never, ...given }, context, worker)
} catch (error) {
  harness.code = reasonOf(error) === undefined ? 1 : 130
}
