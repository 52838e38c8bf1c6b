/** The inspector of a process: open already, or opened by a knock. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Table from "../child/processTable.ts"
import * as Knock from "./knock.ts"
import * as Listening from "./listening.ts"
import type { Target } from "./target.ts"

export interface Endpoint {
  readonly url: string
  /** Whether the signal has opened the inspector. */
  readonly opened: boolean
}

/** The time for a process to open its inspector, in milliseconds. Most need 30. */
const patience = 3000

const pause = 5

/** Nothing but the id is believed: the host and the port are known. */
const Targets = Schema.NonEmptyArray(Schema.Struct({ id: Schema.String.check(Schema.isPattern(/^[\w-]{1,64}$/)) }))

/** The inspector behind a knock. */
export const of = (knock: Knock.Knock): Effect.Effect<Result.Result<Endpoint, string>> =>
  Effect.gen(function* () {
    if (knock._tag === "Refused") return Result.fail(knock.problem)
    if (knock._tag === "Open") return yield* ask(knock.listening, false)
    const added = yield* opened(knock.target, knock.known)
    return added === undefined ? Result.fail(whyNot(knock.target)) : yield* ask(added, true)
  })

/** The first port that the process has begun to listen on. */
const opened = (target: Target, known: ReadonlySet<number>): Effect.Effect<Listening.Listening | undefined> =>
  Effect.gen(function* () {
    const until = performance.now() + patience
    while (performance.now() < until && Table.isSame(target.process)) {
      const added = Listening.of(target.process.pid).find(({ port }) => !known.has(port))
      if (added !== undefined) return added
      yield* Effect.sleep(pause)
    }
    return undefined
  })

const whyNot = (target: Target): string => {
  if (!Table.isSame(target.process)) return "it ended when it was asked to open its inspector"
  return `it has not opened its inspector within ${patience} ms. Its main thread runs native code, the program handles SIGUSR1 itself, or another process uses port ${Knock.configuredPort(target)}: then Node prints "Starting inspector failed" on the stderr of the process`
}

const ask = ({ host, port }: Listening.Listening, wasOpened: boolean): Effect.Effect<Result.Result<Endpoint, string>> =>
  Effect.tryPromise((signal) =>
    fetch(`http://${host}:${port}/json/list`, { signal, redirect: "error" }).then((_) => _.json())
  ).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Targets)),
    Effect.map(([{ id }]) => Result.succeed({ url: `ws://${host}:${port}/${id}`, opened: wasOpened })),
    Effect.timeout(patience),
    Effect.orElseSucceed(() => Result.fail(`no inspector answers on its port ${port}`))
  )
