/** The outcome of a run from the parts of both sides. */
import { type Ended, isForced, type Leftovers, type Outcome } from "@quiesce/testing/laws/Outcome"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { merge, type Numbered } from "./merge.ts"
import type { ToHost } from "./messages.ts"
import { Decoder, type EncodedEvent } from "./wire.ts"

type Finished = Extract<ToHost, { readonly _tag: "Finished" }>

/**
 * The parts of an outcome: the host's threads, the last message of the worker, and the events of both sides. `runsOn`: the
 * thread was killed or abandoned, and may run on.
 */
export interface Parts {
  readonly scenario: Scenario
  readonly cut: number | null
  readonly end: Outcome["end"]
  readonly threads: ReadonlyMap<string, Ended>
  readonly finished: Finished | undefined
  readonly lock: Leftovers["lock"]
  readonly runsOn: boolean
  readonly here: ReadonlyArray<Numbered>
  readonly there: ReadonlyArray<EncodedEvent>
}

export const of = (parts: Parts): Outcome => {
  const { cut, end, finished, here, scenario, there } = parts
  const decoder = new Decoder()
  for (const { reason } of parts.threads.values()) if (reason !== undefined) decoder.know(reason)
  const { events, threads } = merge(
    here,
    there.map((one) => ({ sequence: one.sequence, event: decoder.event(one) })),
    parts.threads,
    (finished?.threads ?? []).map((encoded) => decoder.ended(encoded)),
    finished?.orphans ?? []
  )
  return {
    scenario,
    cut,
    end,
    steps: finished?.steps ?? 0,
    events,
    threads,
    leftovers: leftoversOf(parts),
    bystanders: [],
    isElsewhere: true
  }
}

const leftoversOf = ({ finished, lock, runsOn, threads }: Parts): Leftovers | undefined => {
  if (finished === undefined || (runsOn && isForced(threads.get("t")?.exit))) return undefined
  const { listeners, queued, sleeps, tasks } = finished
  // An abandoned thread that runs on has something to do.
  return { tasks: tasks + (runsOn ? 1 : 0), sleeps, listeners, queued, lock }
}
