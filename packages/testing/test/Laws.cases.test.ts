/** Runs found by long searches. In each run, a simpler check of the law would report a false problem. */
import { CancelReason, ForcedEnd } from "@quiesce/core"
import { Exit } from "effect"
import { describe, expect, it } from "vitest"
import * as Adapter from "@quiesce/testing/laws/Adapter"
import type * as Law from "@quiesce/testing/laws/Law"
import * as Laws from "@quiesce/testing/laws/Laws"
import type { Instruction } from "@quiesce/testing/laws/Program"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { remote } from "./fixtures/remoteAdapter.ts"

const slow = { _tag: "Acquire", millis: 0, fails: false, interruptible: false, within: null } as const
const acquire: Instruction = { ...slow, release: { _tag: "Slow", millis: 1 } }
const fork = (...body: ReadonlyArray<Instruction>): Extract<Instruction, { readonly _tag: "Fork" }> => ({
  _tag: "Fork",
  body,
  immediately: false,
  outer: false,
  escalation: null
})

const group = (policy: "failFast" | "isolate", members: ReadonlyArray<ReadonlyArray<Instruction>>): Instruction => ({
  _tag: "Group",
  policy,
  within: null,
  members,
  body: []
})

const shutdown = (interrupt: number | null) =>
  ({ _tag: "Shutdown", climb: { stop: 0, interrupt, unwind: null, kill: null } }) as const

const problems = async (
  law: Law.Name,
  scenario: Pick<Scenario, "program" | "plan">,
  cut: number,
  seed: number | null = null
) => {
  const outcome = await Adapter.fibers.run({ ...scenario, seed, bystanders: false }, cut)
  return { problems: Laws.laws[law](outcome), events: outcome.events }
}

describe("each law holds if", () => {
  it("a region is interrupted by a raised error, and then its thread by another reason", async () => {
    const raise: Instruction = { _tag: "Raise", child: 0, error: "A", within: 0 }
    const run = await problems(
      "reason-everywhere",
      {
        program: [
          fork({ _tag: "Receive", error: "A", body: [{ _tag: "Scoped", body: [acquire] }] }),
          {
            _tag: "Scoped",
            body: [{ _tag: "Finally", body: [], cleanup: [{ _tag: "UntilStopped", body: [raise] }] }]
          }
        ],
        plan: [
          { action: { _tag: "Interrupt", wait: true }, target: 0, after: 0 },
          { action: { _tag: "Stop" }, target: 0, after: 0 }
        ]
      },
      80
    )
    expect(run.problems).toEqual([])
    const reason = expect.objectContaining({ message: "An error was raised into this work" })
    expect(run.events).toContainEqual(expect.objectContaining({ _tag: "Releasing", reason }))
  })

  it("the synchronous code of two threads delays the first step of a release with a limit", async () => {
    const limited: Instruction = {
      _tag: "Group",
      policy: "failFast",
      within: 3,
      members: [[], [], []],
      body: [{ ...slow, release: { _tag: "Slow", millis: 1 }, within: 7 }]
    }
    const threads = group("isolate", [[limited], [acquire], [group("failFast", [[], [{ _tag: "Poll", millis: 3 }]])]])
    const program: Scenario["program"] = [
      {
        _tag: "Group",
        policy: "failFast",
        within: null,
        members: [[], [], [{ _tag: "Poll", millis: 5 }]],
        body: [threads]
      }
    ]
    const plan: Scenario["plan"] = [{ action: { _tag: "Interrupt", wait: true }, target: 1, after: 0 }]
    const run = await problems("finalizer-shield", { program, plan }, 428, 448)
    expect(run.problems).toEqual([])
    expect((await problems("bounded-cleanup", { program, plan }, 428, 448)).problems).toEqual([])
    // Other code runs for eight milliseconds, and no time is left for the release.
    expect(run.events).toContainEqual(expect.objectContaining({ _tag: "Releasing", lease: "t.3/0", at: 8 }))
    expect(run.events).toContainEqual(expect.objectContaining({ _tag: "Released", lease: "t.3/0", at: 8, how: "cut" }))
  })

  it("a thread below an abandoned thread is still releasing leases that it acquired after the abandonment", async () => {
    const climb = { stop: 0, interrupt: null, unwind: null, kill: null }
    const run = await problems(
      "kill-is-visible",
      { program: [fork(acquire)], plan: [{ action: { _tag: "Shutdown", climb }, target: 0, after: 0 }] },
      36
    )
    expect(run.problems).toEqual([])
    expect(run.events).toContainEqual(expect.objectContaining({ _tag: "Entered", lease: "t.0/0" }))
    expect(run.events.filter(({ _tag }) => _tag === "Left")).toEqual([])
  })

  it("a thread is abandoned before it has recorded its child, whose lease is released", async () => {
    const lease: Instruction = { ...slow, release: { _tag: "Ok" } }
    const child = fork(lease, { _tag: "Mask", body: [acquire] })
    const limited: Instruction = { _tag: "Deadline", millis: 0, body: [fork()] }
    const climb = { stop: null, interrupt: null, unwind: 0, kill: null }
    const run = await problems(
      "settle-before-release",
      {
        program: [{ _tag: "Receive", error: "A", body: [child, limited] }],
        plan: [
          { action: { _tag: "Stop" }, target: 0, after: 0 },
          { action: { _tag: "Shutdown", climb }, target: 0, after: 30 }
        ]
      },
      42,
      554
    )
    expect(run.problems).toEqual([])
    const ofChild = run.events.filter(({ thread }) => thread === "t.0").map(({ _tag }) => _tag)
    expect(ofChild.indexOf("Releasing")).toBeGreaterThan(-1)
    expect(ofChild.indexOf("Releasing")).toBeLessThan(ofChild.indexOf("Spawned"))
  })

  it("the cleanup of an abandoned thread makes a group, in which a thread starts", async () => {
    const inner: Instruction = {
      _tag: "Finally",
      body: [],
      cleanup: [{ _tag: "Group", policy: "failFast", within: null, members: [[]], body: [] }]
    }
    const run = await problems(
      "late-fork",
      {
        program: [
          { _tag: "Finally", body: [], cleanup: [inner] },
          { _tag: "Sleep", millis: 0 }
        ],
        plan: [
          { action: { _tag: "Interrupt", wait: true }, target: 0, after: 0 },
          { action: shutdown(null), target: 0, after: 0 }
        ]
      },
      52,
      687
    )
    expect(run.problems).toEqual([])
    const tags = run.events.filter(({ _tag }) => _tag === "Settled" || _tag === "Started").map(({ _tag }) => _tag)
    expect(tags).toEqual(["Started", "Settled", "Started", "Settled"])
  })

  it("a thread ends between the rung stop and the request of the next rung, so that a report names no later rung", async () => {
    const run = await problems(
      "report-true",
      {
        program: [fork()],
        plan: [
          { action: shutdown(1), target: 0, after: 0 },
          { action: shutdown(null), target: 0, after: 30 }
        ]
      },
      18,
      32
    )
    expect(run.problems).toEqual([])
    const reports = run.events.flatMap((event) => (event._tag === "Reported" ? [event.report] : []))
    expect(reports.map(({ attempts, rung }) => [rung, attempts.at(-1)?._tag])).toEqual([
      ["stop", "Ended"],
      ["stop", "Outwaited"]
    ])
  })

  it("a scope comes to a release that was just taken over, because its thread is about to be abandoned", async () => {
    const leases = [{ ...acquire, release: { _tag: "Slow", millis: 2000 } } as const, acquire]
    const brief = { stop: null, interrupt: 1, unwind: null, kill: null }
    const child = { ...fork({ _tag: "Finally", body: [], cleanup: leases }), immediately: true, escalation: brief }
    const program: Scenario["program"] = [child, { _tag: "Scoped", body: [] }]
    const plan: Scenario["plan"] = [{ action: { _tag: "Interrupt", wait: true }, target: 0, after: 0 }]
    for (let cut = 0; cut < 250; cut++) {
      const run = await problems("release-once", { program, plan }, cut)
      expect(run.problems, `cut at ${cut}`).toEqual([])
    }
  })

  it("a release with a limit ends a thread just before the shutdown, after the limit of the rung stop, interrupts the thread", async () => {
    const hanging: Instruction = { ...slow, release: { _tag: "Hang" }, within: 7 }
    const run = await problems(
      "report-true",
      {
        program: [hanging],
        plan: [
          { action: shutdown(null), target: 0, after: 0 },
          { action: shutdown(null), target: 0, after: 28 }
        ]
      },
      61,
      6
    )
    expect(run.problems).toEqual([])
    const reports = run.events.flatMap((event) => (event._tag === "Reported" ? [event.report] : []))
    expect(reports.map(({ attempts, rung }) => [rung, attempts.at(-1)?._tag])).toEqual([
      ["stop", "Ended"],
      ["stop", "Outwaited"]
    ])
  })

  it("a thread below an abandoned thread still waits for an interrupt when the run ends", async () => {
    const slowly: Instruction = { ...slow, release: { _tag: "Slow", millis: 20 } }
    const cancels: Instruction = { ...slow, release: { _tag: "Cancel" } }
    const asks: Instruction = {
      _tag: "Finally",
      body: [{ _tag: "Scoped", body: [cancels] }],
      cleanup: [{ _tag: "Scoped", body: [{ _tag: "Interrupt", child: 0, wait: true }] }]
    }
    const child: Instruction = { ...fork(fork(fork(slowly)), asks), immediately: true }
    const climb = { stop: null, interrupt: 5, unwind: null, kill: null }
    const scenario = {
      program: [child],
      plan: [
        { action: { _tag: "Interrupt", wait: true }, target: 0, after: 0 },
        { action: { _tag: "Shutdown", climb }, target: 0, after: 0 }
      ]
    } as const
    const waiting: Array<number> = []
    for (let cut = 0; cut < 150; cut++) {
      const run = await problems("all-interruptors-wait", scenario, cut, 87)
      expect(run.problems, `cut at ${cut}`).toEqual([])
      const returned = run.events.flatMap((event) => (event._tag === "Returned" ? [event.id] : []))
      if (
        run.events.some((event) => event._tag === "Asked" && event.thread === "t.0.0" && !returned.includes(event.id))
      )
        waiting.push(cut)
    }
    expect(waiting).not.toEqual([])
  })

  it("a mask ends while the cancel is on its way to a remote thread", async () => {
    const scenario: Scenario = {
      program: [fork({ _tag: "Mask", body: [{ _tag: "Sleep", millis: 5 }] }), { _tag: "Sleep", millis: 5 }],
      plan: [{ action: { _tag: "Interrupt", wait: true }, target: 0, after: 0 }],
      seed: null,
      bystanders: false
    }
    for (let cut = 0; cut < 150; cut++) {
      const outcome = await remote.run(scenario, cut)
      expect(Laws.laws["mask-pends"](outcome), `cut at ${cut}`).toEqual([])
    }
  })

  it("a worker is killed while one of its fibers interrupts a thread below the killed one", async () => {
    const outcome = await Adapter.fibers.run(
      {
        program: [fork({ _tag: "Sleep", millis: 5 }), { _tag: "Sleep", millis: 5 }],
        plan: [{ action: { _tag: "Interrupt", wait: true }, target: 1, after: 0 }],
        seed: null,
        bystanders: false
      },
      50
    )
    const unanswered = { ...outcome, events: outcome.events.filter(({ _tag }) => _tag !== "Returned") }
    const law = Laws.laws["all-interruptors-wait"]
    expect(law(unanswered)).toEqual(["an interrupt of t.0 never returned"])
    const cause = ForcedEnd.annotate(CancelReason.toCause(CancelReason.interrupted()), ForcedEnd.killed("t", []))
    const killed = { ...outcome.threads.get("t")!, exit: Exit.failCause(cause) }
    expect(law({ ...unanswered, threads: new Map([...outcome.threads, ["t", killed]]) })).toEqual([])
  })

  it("a worker is killed before it has sent the reasons of the threads whose releases have begun", async () => {
    const outcome = await Adapter.fibers.run(
      {
        program: [fork(acquire, { _tag: "Sleep", millis: 5 }), { _tag: "Sleep", millis: 5 }],
        plan: [{ action: { _tag: "Interrupt", wait: true }, target: 1, after: 0 }],
        seed: null,
        bystanders: false
      },
      50
    )
    expect(outcome.events).toContainEqual(expect.objectContaining({ _tag: "Releasing", thread: "t.0" }))
    const law = Laws.laws["reason-everywhere"]
    const known = outcome.threads.get("t.0")!
    const without = new Map([...outcome.threads].filter(([name]) => name !== "t.0"))
    expect(law({ ...outcome, threads: without })).toEqual([])
    const other = { ...known, reason: CancelReason.interrupted({ message: "other" }) }
    expect(law({ ...outcome, threads: new Map([...without, ["t.0", other]]) })).not.toEqual([])
  })

  it("the kill of an abandoned thread had no grace, and ends a shielded section with the worker", async () => {
    const climb = { stop: null, interrupt: null, unwind: 2, kill: 0 }
    const scenario = {
      program: [{ _tag: "Sleep", millis: 5 }],
      plan: [{ action: { _tag: "Shutdown", climb }, target: 0, after: 0 }]
    } as const
    const { events, ...outcome } = await Adapter.fibers.run({ ...scenario, seed: null, bystanders: false }, 30)
    const reported = events.find(({ _tag }) => _tag === "Reported")
    if (reported?._tag !== "Reported") throw new Error("the shutdown gave no report")
    const law = Laws.laws["unwind-precise"]
    const ending = { _tag: "Abandoned" } as const
    const outwaited = { _tag: "Outwaited", at: 2, millis: 0, stack: null, finalizer: null, why: null } as const
    // The report of a worker that was terminated after its thread was abandoned.
    const after = (rung: "unwind" | "kill") => {
      const report = { ...reported.report, ending, attempts: [{ ...outwaited, rung }] }
      const spinning = { at: 0, _tag: "Spinning", thread: "t", id: 1, how: "uninterruptible", shielded: true } as const
      return law({ ...outcome, events: [spinning, ...events, { ...reported, report }] })
    }
    expect(after("kill")).toEqual([])
    expect(after("unwind")).toEqual(["a shielded section of t was ended"])
  })

  it("a section has ended by the unwind while its worker was already being ended, and the thread beside it crashes", async () => {
    const climb = { stop: null, interrupt: 1, unwind: 2, kill: 2 }
    const scenario = {
      program: [{ _tag: "Sleep", millis: 5 }],
      plan: [{ action: { _tag: "Shutdown", climb }, target: 0, after: 0 }]
    } as const
    const { events, ...outcome } = await Adapter.fibers.run({ ...scenario, seed: null, bystanders: false }, 30)
    const reported = events.find(({ _tag }) => _tag === "Reported")
    if (reported?._tag !== "Reported") throw new Error("the shutdown gave no report")
    const bystanders = [{ where: "beside", crashed: true, problems: [] }] as const
    // The report of a thread that was interrupted, and not killed.
    const endedOn = (rung: "unwind" | "kill") => {
      const report = { ...reported.report, rung, attempts: [{ _tag: "Ended", rung, at: 3, millis: 0 }] } as const
      return Laws.laws["unwind-precise"]({ ...outcome, bystanders, events: [...events, { ...reported, report }] })
    }
    expect(endedOn("kill")).toEqual([])
    expect(endedOn("unwind")).toEqual(["the thread beside crashed"])
  })

  it("the deadline around a join passes before the failed group is joined", async () => {
    const failing: Instruction = { ...slow, fails: true, release: { _tag: "Ok" } }
    const group: Instruction = { _tag: "Group", policy: "failFast", members: [[failing], []], body: [] }
    const interrupt = { action: { _tag: "Interrupt", wait: true }, target: 0, after: 0 } as const
    const run = await problems(
      "fail-fast-origin",
      { program: [{ _tag: "Deadline", millis: 0, body: [group] }], plan: [interrupt, interrupt] },
      1,
      233
    )
    expect(run.problems).toEqual([])
    expect(run.events).toContainEqual(expect.objectContaining({ _tag: "DeadlineEnded", exceeded: true }))
  })
})
