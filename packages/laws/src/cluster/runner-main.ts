/** A runner process of the laws: `runner-main.ts FILE PORT TIME`. */
import * as ClusterRunner from "@quiesce/cluster/ClusterRunner"
import * as ClusterStore from "@quiesce/cluster/ClusterStore"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import { RunnerAddress } from "effect/cluster/RunnerAddress"
import { RunClock } from "../workers/runClock.ts"
import { ProgramTasks, shardsPerGroup } from "./programTasks.ts"
import { RunnerHarness } from "./runnerHarness.ts"
import { keeperOf, RunnerRun } from "./runnerRun.ts"
import { SharedTime } from "./sharedTime.ts"
import { Traffic } from "./traffic.ts"

const [filename = "", port = "", time = ""] = process.argv.slice(2)
const traffic = new Traffic("runner")
const harness = new RunnerHarness(traffic)
const clock = new RunClock(new SharedTime(time, "runner"))

const inRun = Context.make(Scheduler.Scheduler, harness.scheduler).pipe(Context.add(Clock.Clock, clock as Clock.Clock))

const handlers = ProgramTasks.toLayer({
  // A cut comes when the client has received the start of the thread. Without a cut, a short body ends before that.
  Run: (given) => {
    const known = given.cut === null ? Effect.void : Effect.promise(() => traffic.quiet())
    const body = Effect.suspend(() => new RunnerRun(harness, clock.renew(), given).body)
    const asTexts = Effect.mapBoth(body, { onSuccess: String, onFailure: String })
    // With a scope of its own: the thread's fiber, which closes the scope of the thread, has the clock of the machine.
    return Effect.provideContext(Effect.andThen(known, Effect.scoped(asTexts)), inRun)
  }
})

const ready = Layer.effectDiscard(Effect.sync(() => process.stderr.write("ready\n")))

const runner = ready.pipe(
  Layer.provide(
    ClusterRunner.layer(ProgramTasks, {
      keepers: [keeperOf(harness.scheduler)],
      sharding: {
        runnerAddress: Option.some(RunnerAddress.make({ host: "localhost", port: Number(port) })),
        shardsPerGroup
      }
    })
  ),
  Layer.provide(handlers),
  Layer.provide(ClusterStore.sqlite({ filename })),
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
)

await Effect.runPromise(Layer.launch(runner))
