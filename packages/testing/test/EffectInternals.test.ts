import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

interface Outcomes {
  readonly leaks: string
  readonly interruption: string
  readonly interleaving: string
  readonly law: string
  readonly waits: ReadonlyArray<string>
  readonly printed: string
}

/** The outcomes of the kit on a version of Effect with one changed part, and all other output. */
const outcomesOn = async (part: string): Promise<Outcomes> => {
  const fixture = join(import.meta.dirname, "fixtures/changedEffect.ts")
  const { stderr, stdout } = await promisify(execFile)(process.execPath, [fixture, part])
  const lines = stdout.trim().split("\n")
  return { ...JSON.parse(lines.at(-1)!), printed: [...lines.slice(0, -1), stderr].join("\n") }
}

const refused = {
  leaks: "UnknownEffect",
  interruption: "UnknownEffect",
  interleaving: "UnknownEffect",
  law: "UnknownEffect"
}

const found = { leaks: "LeftOver", interruption: "NotCancelSafe", interleaving: "Success", law: "Success" }

describe("the private parts of Effect", () => {
  it("are as expected in the installed version: leaks are found, and waits have names", async () => {
    const outcomes = await outcomesOn("nothing")
    expect(outcomes).toMatchObject(found)
    expect(outcomes.waits.join()).toContain("waits for a Deferred to be done")
    expect(outcomes.printed).not.toContain("WARN")
  })

  it.for(["scheduler", "tracer", "scopes"])(
    "make the kit refuse every program if it can't see fibers: %s",
    async (part) => {
      expect(await outcomesOn(part)).toMatchObject(refused)
    }
  )

  it("make the kit log one warning and still find leaks if waits have no names", async () => {
    const outcomes = await outcomesOn("waits")
    expect(outcomes).toMatchObject(found)
    expect(outcomes.waits.join()).toContain("waits for something that this version of Effect does not name")
    expect(outcomes.printed.match(/does not know the waits of this version of Effect/g)).toHaveLength(1)
  })
})
