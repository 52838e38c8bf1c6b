/** The scenarios of a simulated cluster, as data. */
import * as fc from "fast-check"
import type { ClusterLaw } from "./laws.ts"

/** A body ends by itself, waits until it is cancelled, or writes on by checked writes under a mask. */
export type Body = "ends" | "waits" | "writes"

/**
 * One step. `thread` is an index into the threads so far, and `runner` into the runners that are there, each modulo their
 * number; without threads or with a single runner the step does nothing. `CutOff` loses the replies that are on their way to
 * or from a runner. A frozen runner goes on after `millis`. While the store is `Away`, it answers reads, and its writes wait.
 */
export type Step =
  | { readonly _tag: "Spawn"; readonly body: Body; readonly millis: number }
  | { readonly _tag: "Interrupt"; readonly thread: number }
  | { readonly _tag: "Kill"; readonly thread: number }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Die"; readonly runner: number }
  | { readonly _tag: "Leave"; readonly runner: number }
  | { readonly _tag: "Freeze"; readonly runner: number; readonly millis: number }
  | { readonly _tag: "CutOff"; readonly runner: number }
  | { readonly _tag: "Join" }
  | { readonly _tag: "Away"; readonly millis: number }

/** The seed chooses the machine that makes the next step. */
export interface ClusterScenario {
  readonly steps: ReadonlyArray<Step>
  readonly seed: number
}

const millis = fc.constantFrom(0, 1, 5, 20, 300, 1500)
const index = fc.nat(9)

type Parts = { readonly [Tag in Step["_tag"]]: fc.Arbitrary<Step> }

const partsOf = (bodies: ReadonlyArray<Body>): Parts => ({
  Spawn: fc.record({ _tag: fc.constant("Spawn"), body: fc.constantFrom(...bodies), millis }),
  Interrupt: fc.record({ _tag: fc.constant("Interrupt"), thread: index }),
  Kill: fc.record({ _tag: fc.constant("Kill"), thread: index }),
  Wait: fc.record({ _tag: fc.constant("Wait"), millis }),
  Die: fc.record({ _tag: fc.constant("Die"), runner: index }),
  Leave: fc.record({ _tag: fc.constant("Leave"), runner: index }),
  Freeze: fc.record({ _tag: fc.constant("Freeze"), runner: index, millis: fc.constantFrom(500, 2000, 8000) }),
  CutOff: fc.record({ _tag: fc.constant("CutOff"), runner: index }),
  Join: fc.record({ _tag: fc.constant("Join") }),
  Away: fc.record({ _tag: fc.constant("Away"), millis: fc.constantFrom(1000, 2500, 4000, 7000) })
})

type Weights = Partial<Record<Step["_tag"], number>>

const all: Weights = {
  Spawn: 5,
  Interrupt: 2,
  Kill: 1,
  Wait: 4,
  Die: 1,
  Leave: 1,
  Freeze: 1,
  CutOff: 2,
  Join: 1,
  Away: 1
}

/** The steps of each law's scenarios. */
const mixes: Readonly<Record<ClusterLaw, Weights>> = {
  "run-once": all,
  "fence-holds": { Spawn: 4, Kill: 4, Wait: 4, Freeze: 1, Die: 1, Away: 1 },
  "takeover-tells": { Spawn: 5, Wait: 3, Die: 2, Join: 1, Away: 1 },
  "cancel-before-start": { Spawn: 5, Interrupt: 5, Kill: 1, Wait: 1, CutOff: 2, Die: 1, Join: 1, Away: 1 },
  "join-harmless": { Spawn: 5, Wait: 3, Interrupt: 1, Join: 2 },
  "absence-harmless": { Spawn: 4, Wait: 5, Away: 3, Interrupt: 1, Join: 1 }
}

/** The bodies of each law's scenarios. */
const bodiesOf = (law: ClusterLaw): ReadonlyArray<Body> =>
  law === "fence-holds" ? ["writes", "writes", "waits"] : ["ends", "waits", "waits", "writes"]

/** How long the store takes no writes, at most, in milliseconds. */
export const absence = (steps: ReadonlyArray<Step>): number =>
  steps.reduce((sum, step) => (step._tag === "Away" ? sum + step.millis : sum), 0)

export const scenarioOf = (law: ClusterLaw): fc.Arbitrary<ClusterScenario> => {
  const parts = partsOf(bodiesOf(law))
  // The mixes have these tags alone.
  const weighted = (Object.entries(mixes[law]) as Array<[Step["_tag"], number]>).map(([tag, weight]) => ({
    weight,
    arbitrary: parts[tag]
  }))
  return fc.record({ steps: fc.array(fc.oneof(...weighted), { minLength: 1, maxLength: 14 }), seed: fc.nat(9999) })
}
