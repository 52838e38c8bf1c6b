import { expect, it } from "@effect/vitest"
import { givenText } from "../src/internal/givenText.ts"

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const throwing = Object.defineProperty({}, "constructor", {
  get: () => {
    throw new Error("constructor can't be read")
  }
})

const cases: ReadonlyArray<readonly [given: unknown, text: string]> = [
  ["soon", '"soon"'],
  ["x".repeat(1000), `"${"x".repeat(100)} ..."`],
  [-1, "-1"],
  [NaN, "NaN"],
  [true, "true"],
  [null, "null"],
  [undefined, "undefined"],
  [Symbol("key"), "Symbol(key)"],
  [-1n, "-1n"],
  [1n << 10_000n, "a large bigint"],
  [{ second: 5, minute: 1 }, "the object {second, minute}"],
  [{}, "the object {}"],
  [[1], "an Array"],
  [Promise.resolve(), "a Promise"],
  [new AbortController(), "an AbortController"],
  [new TypeError("wrong"), "a TypeError"],
  [() => 5, "a Function"],
  [Object.create(null), "an object that can't be read"],
  [{ constructor: { name: 5 } }, "an object that can't be read"],
  [throwing, "an object that can't be read"],
  [revoked(), "an object that can't be read"]
]

it("givenText shows any value in a few words, and never throws", () => {
  expect(cases.map(([given]) => givenText(given))).toEqual(cases.map(([, text]) => text))
})
