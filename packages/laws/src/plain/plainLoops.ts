/**
 * Synchronous code of a plain function. A loop looks at its token while the function holds leases, because an end by force
 * would skip their releases. Other loops end by the gate or by force.
 */
import { cell } from "../workers/messages.ts"
import { type Code, type Of, type PlainRun, type Position, thread } from "./plainRun.ts"

/** Loops until the host opens the gate, the token throws, or the platform ends the code. */
export const spin = (run: PlainRun, place: Position, how: Of<"Spin">["how"]): void => {
  const { isSync, guards } = run
  const { bystanders, plan } = run.given.scenario
  const { cells } = run.worker.harness
  const isShielded = !isSync || place.masked || how === "uninterruptible"
  const isGuarded = guards > 0 && run.worker.fault !== "loops while it holds leases"
  const polls = how === "interruptible" && !place.masked
  const unwinds = plan.some(({ action }) => action._tag === "Shutdown" && action.climb.unwind !== null)
  const id = ++run.ids
  run.note({ _tag: "Spinning", thread, id, how, shielded: isShielded && !polls })
  // An end by force in a synchronous function would skip its `finally` blocks.
  const mayEnd = isSync && (bystanders || unwinds)
  const loops = isSync ? (!isGuarded && !isShielded) || (polls && !mayEnd) : true
  if (loops) {
    const spin = ++run.spins
    run.flush()
    // Runs also if the loop is ended by force.
    setImmediate(() => run.worker.harness.happened())
    // Only here, because other code may need longer on a busy machine.
    const restoreGrace = isSync && bystanders ? run.worker.shortenGrace() : undefined
    run.isLooping = true
    run.worker.harness.post({ _tag: "Spinning", run: run.run, spin, ends: polls || (isSync && bystanders) })
    try {
      for (let open = -1; open < spin; open = Atomics.load(cells, cell.gate)) {
        if (polls) run.check(place)
        if (open >= 0) Atomics.wait(cells, cell.gate, open, 1)
      }
    } finally {
      run.isLooping = false
      restoreGrace?.()
    }
  }
  run.note({ _tag: "Spun", thread, id })
}

export const poll = (run: PlainRun, place: Position, millis: number): void => {
  const id = ++run.ids
  run.note({ _tag: "Polling", thread, id })
  try {
    for (let passed = 0; ; passed++) {
      for (let check = 0; check < 64; check++) run.check(place)
      if (passed >= millis) break
      run.timers.pass(1)
    }
  } finally {
    run.note({ _tag: "Polled", thread, id })
  }
}

export function* crash(run: PlainRun, how: "exit" | "throw"): Code {
  run.note({ _tag: "Crashing", thread })
  run.flush()
  if (how === "exit") process.exit(1)
  setImmediate(() => {
    throw new Error("nobody catches this")
  })
  yield new Promise(() => {})
}
