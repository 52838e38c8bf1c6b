import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ControlBlock from "../src/internal/wire/controlBlock.ts"

const slots = 4

/** Both threads have a view of their own on the same memory. */
const open = () => {
  const host = ControlBlock.make(slots)
  return { host, worker: ControlBlock.fromBuffer(host.buffer) }
}

interface Row {
  flags: number
  checks: number
  deadline: number
}

const flag = fc.constantFrom(
  ControlBlock.stopFlag,
  ControlBlock.interruptFlag,
  ControlBlock.stopFlag | ControlBlock.interruptFlag
)

const step = fc.record({
  slot: fc.nat(slots - 1),
  change: fc.oneof(
    fc.record({
      _tag: fc.constant("Reset" as const),
      deadline: fc.oneof(fc.double({ noNaN: true }), fc.constant(Infinity))
    }),
    fc.record({ _tag: fc.constant("Raise" as const), flags: flag }),
    fc.record({ _tag: fc.constant("Count" as const), left: fc.nat(4_000) })
  )
})

describe("ControlBlock", () => {
  it("has the number of rows with which it was made, in both threads", () => {
    for (const count of [1, 2, 64]) {
      const host = ControlBlock.make(count)
      expect([ControlBlock.slots(host), ControlBlock.slots(ControlBlock.fromBuffer(host.buffer))]).toEqual([
        count,
        count
      ])
    }
  })

  it("keeps the flags, checks and deadline of each slot apart from all others, as a plain table would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { host, worker } = open()
        const rows = Array.from({ length: slots }, (): Row => ({ flags: 0, checks: 0, deadline: 0 }))
        for (const { change, slot } of steps) {
          const row = rows[slot]!
          switch (change._tag) {
            case "Reset":
              ControlBlock.reset(host, slot, slot, change.deadline)
              Object.assign(row, { flags: 0, checks: 0, deadline: change.deadline })
              break
            case "Raise":
              ControlBlock.raiseFlags(host, slot, change.flags)
              Object.assign(row, { flags: row.flags | change.flags, checks: 0 })
              break
            case "Count":
              // The worker's tokens count down to their next look.
              ControlBlock.checks(worker, slot)[0] = change.left
              row.checks = change.left
          }
          ControlBlock.beat(worker)
        }
        const seen = rows.map((_, slot) => ({
          flags: ControlBlock.flags(worker, slot),
          checks: ControlBlock.checks(host, slot)[0],
          deadline: ControlBlock.deadline(worker, slot)
        }))
        expect(seen).toEqual(rows)
        expect(host.words[ControlBlock.word.heartbeat]).toBe(steps.length)
        expect([host.words[ControlBlock.word.section], host.words[ControlBlock.word.sectionTask]]).toEqual([0, 0])
      })
    )
  })

  it("raiseFlags adds a flag to the flags that are set, and makes each token look at its next check", () => {
    const { host, worker } = open()
    ControlBlock.checks(worker, 1)[0] = 4_000
    ControlBlock.raiseFlags(host, 1, ControlBlock.stopFlag)
    expect(ControlBlock.checks(worker, 1)[0]).toBe(0)
    ControlBlock.raiseFlags(host, 1, ControlBlock.interruptFlag)
    expect(ControlBlock.flags(worker, 1)).toBe(ControlBlock.stopFlag | ControlBlock.interruptFlag)
  })
})
