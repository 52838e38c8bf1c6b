/** The inspector of a process: open already, or opened by SIGUSR1. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Table from "../child/processTable.ts"
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

export const of = (target: Target): Effect.Effect<Result.Result<Endpoint, string>> =>
  Effect.gen(function* () {
    const { pid } = target.process
    const before = Listening.of(pid)
    const open = before.find(({ port }) => port === configuredPort(target))
    if (open !== undefined) return yield* ask(open, false)
    // The number may belong to another process by now, which the signal could end.
    if (!Table.isSame(target.process)) return Result.fail("it has just ended")
    process.kill(pid, "SIGUSR1")
    const known = new Set(before.map(({ port }) => port))
    const added = yield* opened(target, known)
    return added === undefined ? Result.fail(whyNot(target)) : yield* ask(added, true)
  })

/** A process that listens on the port of the inspector but was not started so may have opened the inspector itself. */
const configuredPort = ({ command, options }: Target): number => {
  const given = `${options} ${command.join(" ")}`.match(/--inspect(?:-brk|-wait|-port)?=(?:\S*:)?(\d+)(?=\s|$)/)
  return Number(given?.[1] ?? 9229)
}

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
  return `it has not opened its inspector within ${patience} ms. Its main thread runs native code, the program handles SIGUSR1 itself, or another process uses port ${configuredPort(target)}: then Node prints "Starting inspector failed" on the stderr of the process`
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
