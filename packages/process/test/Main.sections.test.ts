import { expect, it } from "vitest"
import { start } from "./support.ts"

it.each(["section", "child", "twice"])(
  "Main.run: Ctrl-C ends a busy section and counts as the first signal: %s",
  async (name) => {
    const program = start("busy", { args: [name] })
    await program.prints("busy")
    program.kill("SIGINT")
    const { code, err, out } = await program.ended

    expect(err).toBe("")
    expect(code).toBe(130)
    expect(out).toContain("cleaned: Received SIGINT")
  }
)

it("Main.run handles a signal between short sections", async () => {
  const program = start("busy", { args: ["short"] })
  await program.prints("busy")
  program.kill("SIGTERM")
  const { code, out } = await program.ended

  expect(code).toBe(143)
  expect(out).toContain("cleaned: Received SIGTERM")
})
