import { afterEach, describe, expect, it } from "vitest"
import * as SectionWord from "../src/internal/wire/sectionWord.ts"

const index = 1
const run = 5

const makeWords = (): SectionWord.Words => new Int32Array(new SharedArrayBuffer(16))

const stateNames = ["idle", "running", "claimed", "masked"] as const

const seen = (words: SectionWord.Words): { readonly run: number; readonly state: string } => {
  const { run, state } = SectionWord.look(words, index)
  return { run, state: stateNames[state]! }
}

const words = makeWords()
const worker = SectionWord.at(words, index)
const reset = (): void => void words.fill(0)

afterEach(reset)

describe("the worker's transitions", () => {
  it("start: idle to running", () => {
    SectionWord.start(worker, run)
    expect(seen(words)).toEqual({ run, state: "running" })
    expect(SectionWord.isBusy(worker)).toBe(true)
  })

  it("finish: running to idle", () => {
    SectionWord.start(worker, run)
    SectionWord.finish(worker, run)
    expect(seen(words)).toEqual({ run, state: "idle" })
    expect(SectionWord.isBusy(worker)).toBe(false)
  })

  it("mask: running to masked and back", () => {
    SectionWord.start(worker, run)
    const unmask = SectionWord.mask(worker, run, true)
    expect(seen(words)).toEqual({ run, state: "masked" })
    expect(SectionWord.isBusy(worker)).toBe(true)
    unmask()
    expect(seen(words)).toEqual({ run, state: "running" })
  })

  it("mask: idle to masked and back", () => {
    const unmask = SectionWord.mask(worker, run, false)
    expect(seen(words)).toEqual({ run, state: "masked" })
    unmask()
    expect(seen(words)).toEqual({ run, state: "idle" })
  })

  it("mask inside a mask changes nothing, and neither does its end", () => {
    SectionWord.start(worker, run)
    const unmask = SectionWord.mask(worker, run, true)
    SectionWord.mask(worker, run, true)()
    expect(seen(words)).toEqual({ run, state: "masked" })
    unmask()
    expect(seen(words)).toEqual({ run, state: "running" })
  })

  it("clear: claimed to idle, only for its own run", () => {
    SectionWord.start(worker, run)
    SectionWord.claim(words, index, run)
    SectionWord.clear(worker, run - 1)
    expect(seen(words)).toEqual({ run, state: "claimed" })
    SectionWord.clear(worker, run)
    expect(seen(words)).toEqual({ run, state: "idle" })
    SectionWord.start(worker, run + 1)
    SectionWord.clear(worker, run)
    expect(seen(words)).toEqual({ run: run + 1, state: "running" })
  })
})

describe("the host's transitions", () => {
  it("claim: running to claimed, for any run or the expected one", () => {
    for (const expected of [undefined, run]) {
      reset()
      SectionWord.start(worker, run)
      expect(SectionWord.claim(words, index, expected)).toEqual({ _tag: "Claimed", run })
      expect(seen(words)).toEqual({ run, state: "claimed" })
    }
  })

  it("claim finds nothing to claim for an idle word, another run, and a run that is already claimed", () => {
    expect(SectionWord.claim(words, index, undefined)).toEqual({ _tag: "Idle" })
    SectionWord.start(worker, run)
    expect(SectionWord.claim(words, index, run + 1)).toEqual({ _tag: "Idle" })
    SectionWord.claim(words, index, run)
    expect(SectionWord.claim(words, index, run)).toEqual({ _tag: "Idle" })
    expect(seen(words)).toEqual({ run, state: "claimed" })
  })

  it("claim is refused while the run is masked", () => {
    SectionWord.start(worker, run)
    SectionWord.mask(worker, run, true)
    expect(SectionWord.claim(words, index, run)).toEqual({ _tag: "Masked" })
    expect(seen(words)).toEqual({ run, state: "masked" })
  })

  it("unclaim: claimed to running, only for its own run", () => {
    SectionWord.start(worker, run)
    SectionWord.claim(words, index, run)
    SectionWord.unclaim(words, index, run - 1)
    expect(seen(words)).toEqual({ run, state: "claimed" })
    SectionWord.unclaim(words, index, run)
    expect(seen(words)).toEqual({ run, state: "running" })
  })
})

describe("run numbers", () => {
  it("start again at 0 when the word has no room for more", () => {
    const last = 2 ** 30 - 1
    SectionWord.start(worker, last)
    expect(seen(words)).toEqual({ run: last, state: "running" })
    expect(SectionWord.next(last)).toBe(0)
    expect(SectionWord.next(0)).toBe(1)
  })
})

/** The correct result of a claim, for the word just before. */
const expectClaim = (claim: SectionWord.Claim, { run, state }: ReturnType<typeof seen>): void => {
  const refused = { _tag: state === "masked" ? "Masked" : "Idle" }
  expect(claim).toEqual(state === "running" ? { _tag: "Claimed", run } : refused)
}

// ---- Races: the steps of one side between the atomic steps of the other ----

const platform = {
  load: Atomics.load,
  store: Atomics.store,
  compareExchange: Atomics.compareExchange,
  wait: Atomics.wait
}

/** Calls `before` before each atomic step of `f`, with the number of the step; `wait` returns once `before` has run. */
const interleave = (f: () => void, before: (step: number, isWait: boolean) => void): number => {
  let step = 0
  let isInside = false
  const at = (isWait: boolean): void => {
    if (isInside) return
    isInside = true
    try {
      before(step++, isWait)
    } finally {
      isInside = false
    }
  }
  const patched = (name: "load" | "store" | "compareExchange") => {
    const original = platform[name] as (...values: ReadonlyArray<unknown>) => unknown
    return (...values: ReadonlyArray<unknown>) => {
      at(false)
      return original(...values)
    }
  }
  Object.assign(Atomics, {
    load: patched("load"),
    store: patched("store"),
    compareExchange: patched("compareExchange"),
    wait: () => {
      at(true)
      return "ok"
    }
  })
  try {
    f()
  } finally {
    Object.assign(Atomics, platform)
  }
  return step
}

/** The worker's code was ended by force. */
const terminated = new Error("terminated")

/** A worker's operations for two runs. `log` has each completed operation, with its run. */
const twoRuns = (log: Array<string>): void => {
  for (const each of [run, run + 1]) {
    SectionWord.start(worker, each)
    log.push(`start ${each}`)
    const unmask = SectionWord.mask(worker, each, true)
    log.push(`mask ${each}`)
    unmask()
    log.push(`unmask ${each}`)
    SectionWord.finish(worker, each)
    log.push(`finish ${each}`)
  }
}

const stepsOfTwoRuns = interleave(
  () => twoRuns([]),
  () => {}
)

/** Clears a run whose code was ended, and starts the next one. */
const expectCleared = (claimed: number, log: ReadonlyArray<string>): void => {
  expect(log).not.toContain(`finish ${claimed}`)
  SectionWord.clear(worker, claimed)
  expect(seen(words)).toEqual({ run: claimed, state: "idle" })
  const following = SectionWord.next(claimed)
  SectionWord.start(worker, following)
  expect(SectionWord.claim(words, index, claimed)).toEqual({ _tag: "Idle" })
  SectionWord.clear(worker, claimed)
  SectionWord.finish(worker, following)
  expect(seen(words)).toEqual({ run: following, state: "idle" })
}

describe("a claim at each step of the worker", () => {
  it("that is taken back at any later step makes the worker wait, and the worker then continues", () => {
    let claims = 0
    for (let from = 0; from <= stepsOfTwoRuns; from++) {
      for (let until = from; until <= stepsOfTwoRuns; until++) {
        reset()
        const log: Array<string> = []
        let claim: SectionWord.Claim | undefined
        let during: ReadonlyArray<string> | undefined
        const unclaim = (): void => {
          if (claim?._tag !== "Claimed") return
          expect(log, "the worker has left a run that was claimed").toEqual(during)
          SectionWord.unclaim(words, index, claim.run)
          claim = undefined
        }
        interleave(
          () => twoRuns(log),
          (step, isWait) => {
            if (step === from) {
              const before = seen(words)
              claim = SectionWord.claim(words, index, undefined)
              during = [...log]
              if (claim._tag === "Claimed") claims++
              expectClaim(claim, before)
            }
            // A worker that waits makes no more steps before the claim is taken back.
            if (step >= until || isWait) unclaim()
          }
        )
        unclaim()
        expect(log.length).toBe(8)
        expect(seen(words)).toEqual({ run: run + 1, state: "idle" })
      }
    }
    expect(claims).toBeGreaterThan(0)
  })

  it("that ends the code is cleared with its run, and does not affect the next run", () => {
    for (let from = 0; from < stepsOfTwoRuns; from++) {
      reset()
      const log: Array<string> = []
      let claimed: number | undefined
      const code = (): void => {
        try {
          interleave(
            () => twoRuns(log),
            (step) => {
              if (step !== from) return
              const claim = SectionWord.claim(words, index, undefined)
              if (claim._tag !== "Claimed") return
              claimed = claim.run
              throw terminated
            }
          )
        } catch (thrown) {
          if (thrown !== terminated) throw thrown
        }
      }
      code()
      expect(log.length === 8).toBe(claimed === undefined)
      if (claimed === undefined) continue
      expectCleared(claimed, log)
    }
  })
})

describe("a step of the worker at each step of a claim", () => {
  type Step = readonly [name: string, make: () => void, expected: SectionWord.Claim["_tag"], state: string]
  const steps: ReadonlyArray<Step> = [
    ["finishing the run", () => SectionWord.finish(worker, run), "Idle", "idle"],
    ["masking the run", () => void SectionWord.mask(worker, run, true), "Masked", "masked"],
    ["masking and unmasking the run", () => SectionWord.mask(worker, run, true)(), "Claimed", "claimed"],
    [
      "finishing the run and starting the next",
      () => {
        SectionWord.finish(worker, run)
        SectionWord.start(worker, run + 1)
      },
      "Idle",
      "running"
    ]
  ]
  for (const [name, make, expected, state] of steps) {
    it(`${name}: ${expected}`, () => {
      // A claim without a race loads the word, then exchanges it.
      for (const at of [0, 1]) {
        reset()
        SectionWord.start(worker, run)
        let claim: SectionWord.Claim | undefined
        interleave(
          () => {
            claim = SectionWord.claim(words, index, run)
          },
          (step) => {
            if (step === at) make()
          }
        )
        expect(claim?._tag).toBe(expected)
        expect(seen(words).state).toBe(state)
      }
    })
  }
})
