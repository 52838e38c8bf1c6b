/** The task of a simulated cluster, and its bodies. */
import * as Fence from "@quiesce/cluster/Fence"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export class SimulatedTasks extends RpcGroup.make(
  Rpc.make("Work", {
    payload: {
      number: Schema.Number,
      body: Schema.Literals(["ends", "waits", "writes"]),
      millis: Schema.Number
    }
  })
) {}

/** The pause between two writes, in milliseconds. */
const pause = 50

/** The bodies at one runner. A body that writes ends when a write is refused. */
export const handlersOf = (started: (thread: number) => void, wrote: (thread: number) => void) => {
  const write = (number: number) => Fence.check(Effect.sync(() => wrote(number)))
  const writes = (number: number, most: number): Effect.Effect<void, unknown> =>
    most === 0 ? Effect.void : Effect.flatMap(write(number), () => Effect.delay(writes(number, most - 1), pause))
  return SimulatedTasks.toLayer({
    Work: ({ body, millis, number }) =>
      Effect.suspend(() => {
        started(number)
        if (body === "ends") return Effect.sleep(millis)
        if (body === "waits") return Effect.never
        return Effect.uninterruptible(Effect.ignore(writes(number, 100)))
      })
  })
}
