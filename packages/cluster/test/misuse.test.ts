import { ThreadError } from "@quiesce/core"
import * as Cluster from "@quiesce/cluster"
import { ClusterError, ClusterLease } from "@quiesce/cluster"
import { Effect, Schema } from "effect"
import { Entity } from "effect/cluster"
import { Rpc, RpcGroup } from "effect/rpc"
import { expect, it } from "vitest"
import { functionsOf, type Table, unhelpful } from "../../core/test/fixtures/hostile.ts"

const functions = new Map(Object.entries(Cluster).flatMap(([name, module]) => [...functionsOf(name, module)]))

const get = Rpc.make("Get")
const group = RpcGroup.make(get)
const entity = Entity.make("Counter", [get])
const schemas = { payload: Schema.String, value: Schema.String }
const lease = ClusterLease.make("lease", schemas)
const ways = { acquire: () => Effect.succeed("value"), release: () => Effect.void }

const rows: Table = {
  "ClusterEntity.client": [entity, {}],
  "ClusterEntity.from": [entity],
  "ClusterError.isClusterError": [5],
  "ClusterError.make": [{ _tag: "NoKeeper", lease: "lease" }],
  "ClusterLease.acquire": [lease, "payload"],
  "ClusterLease.keeper": [lease, ways],
  "ClusterLease.make": ["lease", schemas],
  "ClusterRunner.client": [{}],
  "ClusterRunner.embedded": [group, {}],
  "ClusterRunner.layer": [group, {}],
  "ClusterRunner.layerOn": [group, {}],
  "ClusterStore.sqlite": [{ filename: ":memory:" }],
  "ClusterThreads.make": [group, {}],
  "Fence.check": [Effect.void]
}

/** The calls have no services, so a call with valid arguments dies for the lack of a service. */
const isHelpful = (error: unknown): boolean =>
  ClusterError.isClusterError(error) ||
  ThreadError.isThreadError(error) ||
  (error instanceof Error && /^Service not found: (effect|@quiesce)\//.test(error.message))

it("each function accepts a wrong argument, or refuses it with an error of this package", async () => {
  expect(await unhelpful(functions, rows, isHelpful)).toEqual([])
})
