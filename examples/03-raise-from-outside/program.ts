/** The second way to end a thread: an error raised from outside, which the thread may catch. */
import { Thread } from "@quiesce/core"
import { Console, Effect, Schema } from "effect"

/** The raised error. A region names the class and accepts only its instances. */
class NewConfig extends Schema.TaggedError<NewConfig>()("NewConfig", { version: Schema.Number }) {}

/** Works with one version of the configuration until a new version is raised, and gives the new version. */
const serve = (version: number) =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Console.log(`server: cleaned up after version ${version}`))
    yield* Console.log(`server: works with version ${version}`)
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    Thread.receive(NewConfig),
    Effect.catchTag("NewConfig", (raised) => Effect.succeed(raised.version))
  )

const server = Effect.gen(function* () {
  yield* Effect.sleep("200 millis")
  let version = 1
  while (version < 3) version = yield* serve(version)
  return version
})

export const program = Effect.scoped(
  Effect.gen(function* () {
    const thread = yield* Thread.spawn(server, { name: "server", startImmediately: true })

    // The server is still starting and accepts nothing yet. The error waits for the region, so version 1 never works.
    const first = yield* Thread.raise(thread, new NewConfig({ version: 2 }))
    yield* Console.log(`main:   version 2 was delivered: ${first}`)

    // This error arrives in the middle of the work. The work cleans up before the thread catches the error.
    yield* Effect.sleep("100 millis")
    const second = yield* Thread.raise(thread, new NewConfig({ version: 3 }))
    yield* Console.log(`main:   version 3 was delivered: ${second}`)

    const version = yield* Thread.join(thread)
    yield* Console.log(`main:   the server has ended with version ${version}`)

    // A raise that comes too late is no mistake, because the caller can't know.
    const third = yield* Thread.raise(thread, new NewConfig({ version: 4 }))
    yield* Console.log(`main:   version 4 was delivered: ${third}`)
  })
)
