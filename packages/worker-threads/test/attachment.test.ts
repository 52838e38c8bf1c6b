import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { Attachment } from "../src/internal/inspector/attachment.ts"

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }))
afterEach(() => void vi.useRealTimers())

const asked = (): Attachment => {
  const attachment = new Attachment(1)
  attachment.attach("session", () => {})
  attachment.send("Debugger.enable")
  return attachment
}

it("an engine is deaf that leaves a request without an answer for half a second", () => {
  const attachment = asked()
  vi.advanceTimersByTime(499)
  expect(attachment.isDeaf).toBe(false)
  vi.advanceTimersByTime(1)
  expect(attachment.isDeaf).toBe(true)
})

it("an engine is not deaf while it sends events, such as one for each script, before the answer", () => {
  const attachment = asked()
  for (let script = 0; script < 5; script++) {
    vi.advanceTimersByTime(400)
    expect(attachment.isDeaf).toBe(false)
    attachment.receive('{ "method": "Debugger.scriptParsed" }')
  }
  vi.advanceTimersByTime(500)
  expect(attachment.isDeaf).toBe(true)
})

it("an engine is not deaf without a request, or after the answer", () => {
  const attachment = new Attachment(1)
  attachment.attach("session", () => {})
  vi.advanceTimersByTime(10_000)
  expect(attachment.isDeaf).toBe(false)
  const id = attachment.send("Debugger.enable")
  attachment.receive(JSON.stringify({ id, result: {} }))
  vi.advanceTimersByTime(10_000)
  expect(attachment.isDeaf).toBe(false)
})
