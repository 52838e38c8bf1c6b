/** A runner of the comparisons, with threads or, on the engine's own layers, with the bare entity: `runner-main.ts FILE PORT threads|bare`. */
import { NodeClusterSocket, NodeRuntime } from "@effect/platform-node"
import { ClusterRunner, ClusterStore } from "@quiesce/cluster"
import { Effect, Layer, Option } from "effect"
import { RunnerAddress } from "effect/cluster"
import type { SqlClient } from "effect/sql/SqlClient"
import { bare, handlers, rooms, Tasks } from "./contract.ts"

const [filename = "", port = "", kind = ""] = process.argv.slice(2)

const sharding = { runnerAddress: Option.some(RunnerAddress.make("localhost", Number(port))) }

const threads = ClusterRunner.layer(Tasks, { sharding, keepers: [rooms] }).pipe(Layer.provide(handlers))

const entity = bare.pipe(Layer.provide(NodeClusterSocket.layer({ storage: "sql", shardingConfig: sharding })))

const ready = Layer.effectDiscard(Effect.sync(() => process.stdout.write("ready\n")))

const program: Layer.Layer<never, unknown, ClusterStore.ClusterStore | SqlClient> =
  kind === "bare" ? Layer.provide(ready, entity) : Layer.provide(ready, threads)

program.pipe(Layer.provide(ClusterStore.sqlite({ filename })), Layer.launch, NodeRuntime.runMain)
