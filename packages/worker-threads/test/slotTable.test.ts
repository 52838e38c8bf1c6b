import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { SlotTable } from "../src/internal/wire/slotTable.ts"

const slots = 3

interface Task {
  readonly id: number
}

const add = (table: SlotTable<Task>, slot: number): Task => {
  const task = { id: table.nextId(slot) }
  table.add(task)
  return task
}

describe("SlotTable", () => {
  it("agrees with a map from ids to tasks, for any order of additions and removals", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(slots - 1), { maxLength: 60 }), (steps) => {
        const table = new SlotTable<Task>(slots)
        const ended: Array<Task> = []
        const running: Array<Task | undefined> = Array.from({ length: slots }, () => undefined)
        for (const slot of steps) {
          const before = running[slot]
          // A taken slot is freed, a free slot is taken.
          if (before === undefined) running[slot] = add(table, slot)
          else {
            if (!table.delete(before)) throw new Error("A task that is there was not deleted")
            ended.push(before)
            running[slot] = undefined
          }
          const all = running.filter((task) => task !== undefined)
          expect([...table]).toEqual(all)
          expect(table.size).toBe(all.length)
          for (const task of all) expect(table.get(task.id)).toBe(task)
          for (const task of ended) expect(table.get(task.id)).toBeUndefined()
        }
      })
    )
  })

  it("returns no task for an id that was never assigned, for any number", () => {
    const table = new SlotTable<Task>(slots)
    const task = add(table, 1)
    for (const id of [-1, 0.5, NaN, Infinity, task.id + slots, task.id - slots, 2 ** 53]) {
      expect(table.get(id)).toBeUndefined()
    }
  })

  it("delete of an ended task does not affect the task that uses its slot now", () => {
    const table = new SlotTable<Task>(slots)
    const before = add(table, 2)
    table.delete(before)
    const now = add(table, 2)
    expect(table.delete(before)).toBe(false)
    expect([...table]).toEqual([now])
  })

  it("nextId repeats an id only after many millions of others, and each in its own slot", () => {
    const table = new SlotTable<Task>(slots)
    const ids = new Set<number>()
    for (let turn = 0; turn < 10_000; turn++) ids.add(table.nextId(turn % slots))
    expect(ids.size).toBe(10_000)
    for (const id of ids) expect(Number.isInteger(id) && id >= 0 && id < 2 ** 30).toBe(true)
  })

  it("nextId never returns 0, which stands for no claim, also when the ids begin again", () => {
    for (const slots of [1, 3, 17]) {
      const table = new SlotTable<Task>(slots, Math.floor(2 ** 30 / slots) - 3)
      const ids = Array.from({ length: 5 }, () => table.nextId(0))
      for (const id of ids) expect(id > 0 && id < 2 ** 30).toBe(true)
      expect(new Set(ids).size).toBe(5)
    }
  })
})
