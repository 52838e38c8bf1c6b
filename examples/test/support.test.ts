import { expect, it } from "vitest"
import { type Running, startFile } from "./support.ts"

let running: Running | undefined

it("startFile starts a program", async () => {
  running = startFile("examples/test/fixtures/waiting.ts")
  await running.prints("waiting")
})

it("startFile kills the program at the end of its test, because a test that times out does not wait", async () => {
  expect(await running?.ended).toMatchObject({ lines: ["waiting"], code: null })
})
