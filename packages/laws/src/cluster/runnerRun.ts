/** A run at a runner process: the program of a scenario as the body of a thread, with leases in the store. */
import * as ClusterLease from "@quiesce/cluster/ClusterLease"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import { core, type Kept, type Subject } from "@quiesce/testing/laws/Subject"
import type * as World from "@quiesce/testing/laws/World"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import { Interpretation } from "../workers/interpretation.ts"
import { Resource } from "./bodies.ts"
import type { Given } from "./programTasks.ts"
import type { RunnerHarness } from "./runnerHarness.ts"

/** The leases of this process's runs, by the number that is their payload. */
const kept: Array<Kept> = []

/**
 * The keeper of the leases. After a kill, any runner releases them, in real time and in no order. The trace has only the
 * releases by the body.
 */
export const keeperOf = (bodies: Scheduler.Scheduler): ClusterLease.Keeper<never> =>
  ClusterLease.keeper(Resource, {
    acquire: (number) => Effect.as(kept[number]!.acquired, number),
    release: ({ payload }) =>
      Effect.flatMap(Scheduler.Scheduler, (scheduler) => {
        if (scheduler !== bodies) return Effect.void
        const { released, releasing } = kept[payload]!
        return Effect.andThen(releasing(Exit.void), released)
      })
  })

/** The planted faults. */
const faults: Readonly<Record<NonNullable<Given["fault"]>, Partial<Subject>>> = {
  "masks nothing": { mask: (work) => work }
}

export class RunnerRun extends Interpretation {
  protected readonly subject: Subject
  protected override readonly ownScope = true

  constructor(harness: RunnerHarness, clock: VirtualClock.VirtualClock, given: Given) {
    super(harness, clock, given)
    this.subject = {
      ...core,
      keep: (_, events) => ClusterLease.acquire(Resource, kept.push(events) - 1),
      ...(given.fault === null ? {} : faults[given.fault])
    }
  }

  protected override leftLock(world: World.World): { readonly lock: "free" | "held" } {
    return { lock: world.isUnlocked() ? "free" : "held" }
  }
}
