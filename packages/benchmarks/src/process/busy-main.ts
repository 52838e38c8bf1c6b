/** A program whose main thread is busy in synchronous code, with a thread below. Prints a line when the loop begins. */
import { writeSync } from "node:fs"
import * as Thread from "@quiesce/core/Thread"
import * as Main from "@quiesce/process/Main"
import * as Effect from "effect/Effect"

const spin = Effect.sync(() => {
  writeSync(1, "ready\n")
  for (;;);
})

Main.run(Effect.scoped(Effect.andThen(Thread.spawn(Effect.never, { name: "waiting", startImmediately: true }), spin)))
