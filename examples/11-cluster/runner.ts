/** A runner in a process of its own: `node runner.ts STORE PORT`. Prints a line when it can run jobs. */
import { ClusterRunner, ClusterStore } from "@quiesce/cluster"
import { Main } from "@quiesce/process"
import { Console, Layer, Option } from "effect"
import { RunnerAddress } from "effect/cluster"
import { handlers, parts, Tasks } from "./encoding.ts"

const [filename = "", port = ""] = process.argv.slice(2)

const runner = ClusterRunner.layer(Tasks, {
  keepers: [parts],
  sharding: { runnerAddress: Option.some(RunnerAddress.make("localhost", Number(port))) }
})

Layer.effectDiscard(Console.log(`runner ${port} is ready`)).pipe(
  Layer.provide(runner),
  Layer.provide(handlers),
  Layer.provide(ClusterStore.sqlite({ filename })),
  Layer.launch,
  Main.run
)
