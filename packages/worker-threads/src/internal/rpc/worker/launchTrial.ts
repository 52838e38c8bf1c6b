/**
 * Tries out that a `Launch` finds the fiber of a handler: that RpcServer forks that fiber last, and that the fiber can be
 * made to wait for a turn of its own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { RequestId } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Headers from "effect/http/Headers"
import { contextOf, Launch } from "./launch.ts"

const problem = "this version of Effect is not known here: the fiber in which RpcServer runs a handler"

const Probe = RpcGroup.make(Rpc.make("Probe"))

/** Runs queued tasks only when the trial says so. */
class Stepper implements Scheduler.Scheduler {
  readonly executionMode: "sync" = "sync"
  private readonly tasks: Array<() => void> = []

  shouldYield(): boolean {
    return false
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => void this.tasks.push(task), flush: this.flush }
  }

  readonly flush = (): void => {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task()
  }
}

let measured: { readonly problem: string | undefined } | undefined

/** Why the fiber of a handler can't be found. Runs a probe server once in a thread. */
export const handlerProblem = (): string | undefined => (measured ??= { problem: measure() }).problem

const measure = (): string | undefined => {
  try {
    return finds() ? undefined : problem
  } catch {
    return problem
  }
}

const finds = (): boolean => {
  const launch = new Launch()
  const stepper = new Stepper()
  let handler: Fiber.Fiber<unknown, unknown> | undefined
  const handled = Effect.withFiber((fiber) => {
    handler = fiber
    return Effect.void
  })
  const request = {
    _tag: "Request",
    id: RequestId("0"),
    tag: "Probe",
    payload: undefined,
    headers: Headers.empty
  } as const
  const program = Effect.gen(function* () {
    const handlers = yield* Probe.toHandlers({ Probe: () => handled })
    const options = { onFromServer: () => Effect.void, disableTracing: true }
    const server = yield* Effect.provide(RpcServer.makeNoSerialization(Probe, options), handlers)
    yield* launch.run(server.write(0, request))
    // Otherwise the handler has already begun inside the server.
    return handler === undefined
  })
  const scope = Scope.makeUnsafe()
  const run = Effect.runForkWith(contextOf(Context.empty(), stepper))
  const fiber = run(Scope.provide(program, scope))
  stepper.flush()
  run(Scope.close(scope, Exit.void))
  stepper.flush()
  const exit = fiber.pollUnsafe()
  const waits = exit?._tag === "Success" && exit.value
  return waits && handler !== undefined && handler === launch.latest
}
