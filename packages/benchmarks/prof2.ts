import { ThreadGroup } from "@quiesce/core"
import { Effect } from "effect"
for (let i=0;i<4;i++) await Effect.runPromise(Effect.scoped(Effect.gen(function*(){
  const group = yield* ThreadGroup.make()
  for (let i = 0; i < 100000; i++) yield* ThreadGroup.spawn(group, Effect.never)
  yield* Effect.sleep(1)
  const start = performance.now()
  yield* ThreadGroup.shutdown(group, { interrupt: "Infinity" })
  console.log(performance.now() - start)
})))
