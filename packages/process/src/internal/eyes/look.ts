/**
 * One look at a running process: its main thread and its workers, and the inspector closed again.
 *
 * Invariants:
 * 1. An answer counts only if its process says the number that was asked for.
 * 2. An inspector that was open before stays open. An inspector that the look has opened is closed on each way out, also
 *    by an interruption before the inspector answers.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { DumpedPlace } from "@quiesce/core/ThreadDump"
import type { Data } from "./data.ts"
import * as ProcessError from "../../ProcessError.ts"
import * as Endpoint from "./endpoint.ts"
import * as Knock from "./knock.ts"
import * as Line from "./line.ts"
import * as Question from "./question.ts"

/** Fails with `NotVisible`. `knock` is called in the effect, unless the caller has knocked already. */
export const at = (
  pid: number,
  workers: boolean,
  knock: () => Knock.Knocked = () => Knock.at(pid)
): Effect.Effect<Data, ProcessError.ProcessError> =>
  Effect.flatMap(attempt(pid, workers, knock), (seen) =>
    Result.isSuccess(seen)
      ? Effect.succeed(seen.success)
      : Effect.fail(ProcessError.make({ _tag: "NotVisible", pid, problem: seen.failure }))
  )

const attempt = (
  pid: number,
  workers: boolean,
  knock: () => Knock.Knocked
): Effect.Effect<Result.Result<Data, string>> =>
  Effect.suspend(() => {
    const visit: Visit = { hasFailed: false }
    // Before the scope closes, because the line is needed.
    return Effect.ensuring(
      seen(pid, workers, knock, visit),
      Effect.suspend(() => leave(visit))
    )
  }).pipe(Effect.scoped)

const seen = (
  pid: number,
  workers: boolean,
  knock: () => Knock.Knocked,
  visit: Visit
): Effect.Effect<Result.Result<Data, string>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const knocked = knock()
    visit.knock = knocked.knock
    const endpoint = yield* Endpoint.of(knocked.knock)
    visit.hasFailed = Result.isFailure(endpoint)
    if (Result.isFailure(endpoint)) return Result.fail(endpoint.failure)
    const line = yield* Line.open(endpoint.success.url)
    if (Option.isNone(line)) return Result.fail("its inspector refused the connection")
    visit.line = line.value
    const main = yield* ask(line.value)
    if (Option.isNone(main)) return Result.fail("its main thread does not answer, because it runs native code")
    if (main.value.pid !== pid) return Result.fail(`its inspector belongs to the process ${main.value.pid}`)
    const others = workers ? yield* askWorkers(line.value, pid) : []
    return Result.succeed({
      pid,
      at: Date.now(),
      node: main.value.node,
      command: knocked.command,
      main: placeOf("main", main.value),
      workers: others
    })
  })

/** How far a look has come. */
interface Visit {
  knock?: Knock.Knock
  line?: Line.Line
  /** Whether the process has not opened its inspector in time. */
  hasFailed: boolean
}

/** The time in which an interrupted look waits for the inspector that it has asked for. */
const leavingPatience = "1 second"

/** Closes the inspector that the look has opened. A look that was interrupted before opens a line for this. */
const leave = ({ hasFailed, knock, line }: Visit): Effect.Effect<void> => {
  if (knock?._tag !== "Signaled" || hasFailed) return Effect.void
  if (line !== undefined) return close(line)
  const opened = Effect.flatMap(Endpoint.of(knock), (endpoint) =>
    Result.isFailure(endpoint) ? Effect.succeedNone : Line.open(endpoint.success.url)
  )
  return Effect.timeoutOption(opened, leavingPatience).pipe(
    Effect.map(Option.flatten),
    Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: close })),
    Effect.scoped
  )
}

/** The reply of a request does not come, because the request ends the line. */
const close = (line: Line.Line): Effect.Effect<void> =>
  Effect.andThen(
    Effect.forkChild(line.post("Runtime.evaluate", { expression: closing })),
    Effect.timeoutOption(line.ended, "1 second")
  )

const closing = `process.getBuiltinModule("node:inspector").close()`

const request = { expression: Question.expression, returnByValue: true, silent: true }

const ask = (line: Line.Line): Effect.Effect<Option.Option<Question.Answer>> =>
  Effect.map(line.post("Runtime.evaluate", request), Option.flatMap(Question.decode))

const placeOf = (name: string, { dump, problem, stack }: Question.Answer): DumpedPlace => ({
  name,
  ...(stack === "" ? {} : { stack }),
  ...(problem === undefined ? {} : { note: `no dump: ${problem}` }),
  ...(dump === undefined ? {} : { dump })
})

const Attached = Schema.decodeUnknownOption(
  Schema.Struct({ sessionId: Schema.String, workerInfo: Schema.Struct({ title: Schema.String }) })
)

const Received = Schema.decodeUnknownOption(Schema.Struct({ sessionId: Schema.String, message: Schema.String }))

/** The time for the answers of all workers, in milliseconds. */
const patience = 1500

/** The engine names all workers before it replies. */
const askWorkers = (line: Line.Line, pid: number): Effect.Effect<ReadonlyArray<DumpedPlace>> =>
  Effect.gen(function* () {
    const names = new Map<string, string>()
    const answers = new Map<string, DumpedPlace>()
    let answered: (() => void) | undefined
    line.onEvent((method, params) => {
      if (method === "NodeWorker.attachedToWorker")
        Option.map(Attached(params), ({ sessionId, workerInfo }) => names.set(sessionId, nameOf(workerInfo.title)))
      if (method !== "NodeWorker.receivedMessageFromWorker") return
      const received = Option.getOrUndefined(Received(params))
      const name = received === undefined ? undefined : names.get(received.sessionId)
      if (received === undefined || name === undefined) return
      const reply = Option.getOrUndefined(Line.decode(received.message))
      if (reply === undefined || !("id" in reply)) return
      const answer = Option.filter(Question.decode(reply.result), (each) => each.pid === pid)
      answers.set(
        received.sessionId,
        Option.match(answer, { onNone: () => silent(name), onSome: (_) => placeOf(name, _) })
      )
      answered?.()
    })
    yield* line.post("NodeWorker.enable", { waitForDebuggerOnStart: false })
    const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params: request })
    for (const sessionId of names.keys())
      yield* Effect.forkChild(line.post("NodeWorker.sendMessageToWorker", { sessionId, message }))
    const all = Effect.callback<void>((resume) => {
      answered = () => {
        if (answers.size >= names.size) resume(Effect.void)
      }
      answered()
    })
    yield* Effect.timeoutOption(all, patience)
    yield* line.post("NodeWorker.disable")
    return Array.from(names, ([sessionId, name]) => answers.get(sessionId) ?? silent(name))
  })

const silent = (name: string): DumpedPlace => ({
  name,
  note: "does not answer: it runs native code, or has just ended"
})

const nameOf = (title: string): string => {
  const [, id, rest] = /^\[worker (\d+)\] ?(.*)$/.exec(title) ?? []
  return id === undefined ? title : rest === "" || rest === "WorkerThread" ? `worker-${id}` : `worker-${id} ${rest}`
}
