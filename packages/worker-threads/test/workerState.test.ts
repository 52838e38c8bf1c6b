import * as CancelReason from "@quiesce/core/CancelReason"
import { describe, expect, it } from "vitest"
import * as WorkerState from "../src/internal/host/workerState.ts"

type Task = "task" | "other task"
type State = WorkerState.State<Task>
type Event = WorkerState.Event<Task>

const reason = CancelReason.interrupted({ message: "first kill" })
const laterReason = CancelReason.interrupted({ message: "later kill" })
const startTimer = setTimeout(() => {}, 0)
clearTimeout(startTimer)

const states: Readonly<Record<State["_tag"], State>> = {
  Starting: { _tag: "Starting", startTimer },
  Attaching: { _tag: "Attaching" },
  Ready: { _tag: "Ready" },
  Closing: { _tag: "Closing" },
  Failing: { _tag: "Failing" },
  Refused: { _tag: "Refused" },
  Killed: { _tag: "Killed", reasons: new Map([["task", reason]]) },
  Gone: { _tag: "Gone" }
}

const events: Readonly<Record<Event["_tag"], Event>> = {
  Announced: { _tag: "Announced" },
  Attached: { _tag: "Attached" },
  Closed: { _tag: "Closed" },
  Failed: { _tag: "Failed" },
  Refused: { _tag: "Refused" },
  Killed: { _tag: "Killed", task: "other task", reason: laterReason },
  Exited: { _tag: "Exited" }
}

/** `same`: the event changes nothing. */
type Expected = State["_tag"] | "same"

const table: Readonly<Record<State["_tag"], Readonly<Record<Event["_tag"], Expected>>>> = {
  Starting: {
    Announced: "Attaching",
    Attached: "same",
    Closed: "Closing",
    Failed: "Failing",
    Refused: "Refused",
    Killed: "Killed",
    Exited: "Gone"
  },
  Attaching: {
    Announced: "same",
    Attached: "Ready",
    Closed: "Closing",
    Failed: "Failing",
    Refused: "Refused",
    Killed: "Killed",
    Exited: "Gone"
  },
  Ready: {
    Announced: "same",
    Attached: "same",
    Closed: "Closing",
    Failed: "Failing",
    Refused: "Refused",
    Killed: "Killed",
    Exited: "Gone"
  },
  Closing: {
    Announced: "same",
    Attached: "same",
    Closed: "same",
    Failed: "same",
    Refused: "same",
    Killed: "Killed",
    Exited: "Gone"
  },
  Failing: {
    Announced: "same",
    Attached: "same",
    Closed: "same",
    Failed: "same",
    Refused: "Refused",
    Killed: "same",
    Exited: "Gone"
  },
  Refused: {
    Announced: "same",
    Attached: "same",
    Closed: "same",
    Failed: "same",
    Refused: "same",
    Killed: "same",
    Exited: "Gone"
  },
  Killed: {
    Announced: "same",
    Attached: "same",
    Closed: "same",
    Failed: "same",
    Refused: "same",
    Killed: "Killed",
    Exited: "Gone"
  },
  Gone: {
    Announced: "same",
    Attached: "same",
    Closed: "same",
    Failed: "same",
    Refused: "same",
    Killed: "same",
    Exited: "same"
  }
}

describe("WorkerState.next", () => {
  for (const state of Object.values(states)) {
    for (const event of Object.values(events)) {
      const expected = table[state._tag][event._tag]
      it(`${state._tag}, ${event._tag}: ${expected}`, () => {
        const after = WorkerState.next(state, event)
        expect(after === state).toBe(expected === "same")
        expect(after._tag).toBe(expected === "same" ? state._tag : expected)
      })
    }
  }

  it("keeps the reason of each task that a worker is killed for", () => {
    expect(WorkerState.next(states.Ready, events.Killed)).toEqual({
      _tag: "Killed",
      reasons: new Map([["other task", laterReason]])
    })
    expect(WorkerState.next(states.Killed, events.Killed)).toEqual({
      _tag: "Killed",
      reasons: new Map([
        ["task", reason],
        ["other task", laterReason]
      ])
    })
  })
})

describe("WorkerState.isStarting", () => {
  it("is true until the inspector is connected", () => {
    const starting = Object.values(states).filter(WorkerState.isStarting)
    expect(starting.map(({ _tag }) => _tag)).toEqual(["Starting", "Attaching"])
  })
})

const likelyProblem = (state: WorkerState.State<string>, wasReady: boolean): string =>
  WorkerState.likelyProblem(state, wasReady, (task) => task)

describe("WorkerState.likelyProblem", () => {
  it("names the most likely cause of an unexplained exit", () => {
    expect(likelyProblem(states.Killed, true)).toMatch(/^it was killed to end ".+" \(.+\)$/)
    expect(likelyProblem(states.Failing, true)).toContain("process.exit")
    expect(likelyProblem(states.Failing, false)).toBe("it ended before it was ready")
  })
})
