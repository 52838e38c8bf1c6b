/**
 * The laws of a cluster whose machines die, freeze, join and leave. Each law has a planted fault that its check finds.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import * as ClusterSearch from "../src/simulated/clusterSearch.ts"
import { type ClusterLaw, clusterLaws, statements } from "../src/simulated/laws.ts"
import type { Fault } from "../src/simulated/simulatedRunner.ts"
import { budgetOf } from "../src/Trial.ts"

describe("a simulated cluster", () => {
  it.each(Object.entries(statements))("%s: %s", async (name) => {
    // The statements have the laws as keys.
    const law = name as ClusterLaw

    const finding = await ClusterSearch.search(law, budgetOf("cluster", law, false))

    expect(ClusterSearch.render(finding)).toContain(" 0 counterexamples")
  })

  it("behaves the same for the same seed", async () => {
    const steps = [
      { _tag: "Spawn", body: "waits", millis: 0 },
      { _tag: "Join" },
      { _tag: "Wait", millis: 300 },
      { _tag: "Spawn", body: "writes", millis: 0 },
      { _tag: "Die", runner: 0 }
    ] as const

    const [one, other] = [await ClusterSearch.run({ steps, seed: 7 }), await ClusterSearch.run({ steps, seed: 7 })]

    expect(one.events.length).toBeGreaterThan(3)
    expect(other).toEqual(one)
  })
})

const isMoved = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Option.exists(CancelReason.fromExit(exit), ({ _tag }) => _tag === "Moved")

interface Planted {
  readonly fault: Fault
  /** The seed of a short search for the fault. */
  readonly seed: number
}

const faults: Readonly<Record<ClusterLaw, Planted>> = {
  // A thread with a row starts again.
  "run-once": {
    seed: 7,
    fault: {
      store: (store) => {
        const claim = store.claim.bind(store)
        return {
          claim: (given) =>
            Effect.map(claim(given), (found) =>
              found._tag === "Known" ? { _tag: "Claimed", token: found.row.token } : found
            )
        }
      }
    }
  },
  // A kill does not raise the fence token.
  "fence-holds": { seed: 1, fault: { store: () => ({ kill: () => Effect.succeed(true) }) } },
  // The threads of a dead runner keep their rows.
  "takeover-tells": { seed: 3, fault: { store: () => ({ killAllOf: () => Effect.succeed([]) }) } },
  // A cancel writes no row.
  "cancel-before-start": { seed: 6, fault: { store: () => ({ cancel: () => Effect.succeed(true) }) } },
  // A thread that has to move is interrupted without a reason.
  "join-harmless": {
    seed: 6,
    fault: {
      wire: ({ encodeExit }) => ({
        encodeExit: (exit, leases) => encodeExit(isMoved(exit) ? Exit.interrupt() : exit, leases)
      })
    }
  },
  // A runner that could not renew its row assumes that the renewal succeeded.
  "absence-harmless": {
    seed: 5,
    fault: {
      store: (store) => {
        const ask = store.ask.bind(store)
        const inBackground: typeof ask = (operation, statement) =>
          // No runner reads the rows of a renewal.
          Effect.map(Effect.forkDetach(ask(operation, statement)), () => [] as never)
        return {
          ask: (operation, statement) =>
            operation === "renew a member" ? inBackground(operation, statement) : ask(operation, statement)
        }
      }
    }
  }
}

describe("the check of", () => {
  it.each(clusterLaws)("%s finds its planted fault", async (law) => {
    const { fault, seed } = faults[law]

    const { counterexample } = await ClusterSearch.search(law, { programs: 60, seed }, fault)

    expect(counterexample).toMatchObject({ law })
    expect(counterexample!.scenario.steps.length).toBeLessThanOrEqual(5)
  })
})
