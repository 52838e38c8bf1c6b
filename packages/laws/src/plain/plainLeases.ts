/** The leases of a plain function: a scope is a stack of leases that a `finally` block releases in reverse order. */
import { type Code, type Held, NotReleased, type Of, type PlainRun, type Position, thread } from "./plainRun.ts"

export function* acquire(run: PlainRun, place: Position, instruction: Of<"Acquire">): Code {
  const { fails, interruptible, millis, release, within } = instruction
  const { fault } = run.worker
  const lease = `${thread}/${run.leases++}`
  yield* run.sleep(interruptible ? place : { ...place, masked: true }, millis)
  if (fails) {
    run.note({ _tag: "AcquireFailed", thread, lease })
    if (fault === "releases what it failed to acquire") yield* releaseOne(run, { lease, release, within })
    throw run.leaving(place, new Error(`${lease} was not acquired`))
  }
  if (interruptible) yield* run.point(place)
  run.note({ _tag: "Acquired", thread, lease, scope: place.scope, unsure: interruptible })
  if (fault === "forgets leases") yield* run.point(place)
  place.held.push({ lease, release, within })
  run.guards++
}

/** Releases the leases of a scope. An error of a release is thrown after the last release. */
export function* release(run: PlainRun, held: Array<Held>): Code {
  const { fault } = run.worker
  const errors: Array<unknown> = []
  while (held.length > 0) {
    const next = fault === "releases the first first" ? held.shift()! : held.pop()!
    try {
      if (fault === "releases twice") yield* releaseOne(run, next)
      yield* releaseOne(run, next)
    } catch (error) {
      errors.push(error)
      if (fault === "stops releasing after a failure") break
    }
    run.guards--
  }
  if (errors.length > 0) throw new NotReleased(errors)
}

function* releaseOne(run: PlainRun, { lease, release, within }: Held): Code {
  const { fault } = run.worker
  run.look()
  run.note({ _tag: "Releasing", thread, lease, reason: run.isCancelled ? run.reason : undefined })
  let how: "ok" | "failed" | "cut" = "failed"
  try {
    run.worker.harness.step()
    const millis = release._tag === "Slow" ? release.millis : release._tag === "Hang" ? Infinity : 0
    const limit = (within ?? Infinity) + (fault === "releases beyond limits" ? 5 : 0)
    if (millis > limit) how = "cut"
    const given = Math.min(millis, limit)
    if (fault === "cuts releases" && given > 0) {
      how = "cut"
      yield run.interruptible(given)
    } else if (given > 0) yield run.wait(given)
    if (millis > limit || release._tag === "Fail" || release._tag === "Die")
      throw new Error(`${lease} was not released`)
    how = "ok"
  } finally {
    run.note({ _tag: "Released", thread, lease, how })
  }
}
