import { Cause, Context, Effect, Exit, Option, Redactable } from "effect"
import { describe, expect, it } from "vitest"
import { causeText } from "../src/internal/causeText.ts"
import { hasAtMost } from "../src/internal/foreignParts.ts"
import { messageOf, textOf, traceOf } from "../src/internal/foreignText.ts"
import { currentFiberKey } from "../src/internal/redaction.ts"

/** An array whose text has 2 to the power of `depth` parts, because each level contains the next one twice. */
const sharedParts = (depth: number): unknown => {
  let value: unknown = "leaf"
  for (let i = 0; i < depth; i++) value = [value, value]
  return value
}

const holes = (): unknown => Object.assign([], { length: 2 ** 32 - 1 })

const deep = (depth: number): unknown => {
  let value: unknown = "leaf"
  for (let i = 0; i < depth; i++) value = { value }
  return value
}

const refuse = (): never => {
  throw new Error("this value does not like to be read")
}

const revoked = (): unknown => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const traps = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map((name) => [name, refuse])
) as ProxyHandler<object>

/** Values that are costly or impossible to print in full. Each call makes the value again. */
const hostile: Readonly<Record<string, () => unknown>> = {
  "nested shared arrays": () => sharedParts(100),
  "nested shared arrays in an Effect value": () => Option.some(sharedParts(100)),
  "nested shared arrays as the cause of an error": () => new Error("a", { cause: sharedParts(100) }),
  "nested shared arrays as a message": () => Object.assign(new Error("a"), { message: sharedParts(100) }),
  "shared objects": () => ({ a: sharedParts(50), b: { c: sharedParts(50) } }),
  "an array of holes": () => holes(),
  "an array of holes in an error": () => new Error("a", { cause: holes() }),
  "a very deep object": () => deep(100_000),
  "errors that are each other's cause": () => {
    const first = new Error("first")
    const second = new Error("second", { cause: first })
    first.cause = second
    return first
  },
  "a chain of causes": () => Array.from({ length: 20_000 }).reduce<unknown>((cause) => new Error("a", { cause }), 1),
  "a long string": () => "x".repeat(10_000_000),
  "a long message": () => new Error("x".repeat(10_000_000)),
  "a long key": () => ({ ["x".repeat(10_000_000)]: 1 }),
  "a long symbol": () => Symbol("x".repeat(10_000_000)),
  "a large bigint": () => 1n << 10_000_000n,
  "a large map": () => new Map(Array.from({ length: 100_000 }, (_, index) => [index, sharedParts(40)])),
  "a large set": () => new Set(Array.from({ length: 100_000 }, (_, index) => index)),
  "a large typed array": () => new Uint8Array(50_000_000),
  "an endless iterable": () => ({
    *[Symbol.iterator]() {
      for (;;) yield 1
    }
  }),
  "a revoked proxy": revoked,
  "a proxy that throws": () => new Proxy({}, traps),
  "a proxy of a function that throws": () => new Proxy(() => {}, traps),
  "a toString that throws": () => ({ toString: refuse }),
  "a toString that gives an object": () => ({ toString: () => sharedParts(100) }),
  "a toString that gives a long text": () => ({ toString: () => "x".repeat(10_000_000) }),
  "a toString that is no function": () => ({ toString: 5 }),
  "a throwing message": () => Object.defineProperty(new Error("a"), "message", { get: refuse }),
  "a throwing stack": () => Object.defineProperty(new Error("a"), "stack", { get: refuse }),
  "a throwing cause": () => Object.defineProperty(new Error("a"), "cause", { get: refuse }),
  "a throwing constructor": () => Object.defineProperty({}, "constructor", { get: refuse }),
  "a throwing tag": () => Object.defineProperty({}, Symbol.toStringTag, { get: refuse }),
  "an inspection that throws": () => ({ __proto__: null, [Symbol.for("nodejs.util.inspect.custom")]: refuse }),
  "no prototype": () => Object.create(null),
  "an invalid date": () => new Date(NaN),
  "a symbol as name": () => Object.assign(new Error("a"), { name: Symbol("name"), message: Symbol("message") })
}

describe.each(Object.entries(hostile))("%s", (_, make) => {
  it.each([
    ["textOf", textOf, 4_000],
    ["messageOf", messageOf, 4_000],
    ["traceOf", traceOf, 16_000]
  ] as const)("%s returns a bounded text, and does not throw", (_, text, most) => {
    const given = text(make())
    expect(typeof given).toBe("string")
    expect(given.length).toBeLessThanOrEqual(most)
    expect(given).not.toBe("")
  })

  it("causeText returns a bounded text, and does not throw", () => {
    for (const cause of [Cause.die(make()), Cause.fail(make())]) {
      const given = causeText(cause)
      expect(given.length).toBeLessThanOrEqual(16_000)
      expect(given).not.toBe("")
    }
  })
})

describe("hasAtMost", () => {
  const shared: ReadonlyArray<readonly [string, () => unknown]> = [
    ["in arrays", () => sharedParts(20)],
    ["in a cause", () => new Error("a", { cause: sharedParts(20) })],
    ["in the errors of an AggregateError", () => new AggregateError([sharedParts(20)], "a")]
  ]

  it.each(shared)("counts a shared part for each path to the part: %s", (_, make) => {
    expect(hasAtMost(make(), 10_000, 100)).toBe(false)
    expect(hasAtMost(make(), Infinity, 100)).toBe(true)
  })

  it("is false for too many levels, an array of holes, and a value that can't be read", () => {
    for (const value of [deep(101), holes(), revoked()]) expect(hasAtMost(value, 10_000, 100)).toBe(false)
    // A list of the keys of so many bytes would take all memory.
    const bytes = new Uint8Array(2 ** 28)
    for (const value of [bytes, { body: bytes }, Object.assign(new Error("502"), { response: { body: bytes } })]) {
      expect(hasAtMost(value, 10_000, 100)).toBe(false)
    }
    expect(hasAtMost(new Uint8Array(100), 10_000, 100)).toBe(true)
    expect(hasAtMost(deep(99), 10_000, 100)).toBe(true)
  })
})

describe("textOf", () => {
  it("does not print a bigint of very many digits, which takes seconds", () => {
    expect(textOf([1n << 1_000_000n])).toBe("[[a bigint of more than 1,000 digits]]")
    expect(textOf(-(1n << 1_000_000n))).toBe("[a bigint of more than 1,000 digits]")
  })

  it("prints plain data as in source code", () => {
    expect(textOf({ a: [1, "two", null, undefined, 3n, true], b: {} })).toBe(
      '{"a":[1,"two",null,undefined,3n,true],"b":{}}'
    )
    expect(textOf("word")).toBe('"word"')
    expect(textOf(new Map([["key", new Set([1])]]))).toBe('Map([["key",Set([1])]])')
    expect(textOf(Symbol("word"))).toBe("Symbol(word)")
    expect(textOf(/pattern/g)).toBe("/pattern/g")
    expect(textOf(new Date(0))).toBe("1970-01-01T00:00:00.000Z")
    expect(textOf(new TypeError("wrong", { cause: "why" }))).toBe('TypeError: wrong (cause: "why")')
  })

  it("names the class of an instance, and uses a toString method of the class", () => {
    class Point {
      readonly x = 1
    }
    class Named {
      toString(): string {
        return "a name"
      }
    }
    expect(textOf(new Point())).toBe('Point({"x":1})')
    expect(textOf(new Named())).toBe("a name")
    expect(textOf(Option.some(1))).toBe("some(1)")
  })

  it("calls no getter", () => {
    let calls = 0
    const counting = Object.defineProperty({}, "secret", { get: () => ++calls, enumerable: true })
    expect(textOf(counting)).toBe('{"secret":[getter]}')
    expect(calls).toBe(0)
  })

  it("reports the omitted length of a long array", () => {
    const text = textOf(Array.from({ length: 100_000 }, (_, index) => index))
    expect(text).toMatch(/^\[0,1,2,.*\.\.\. 99801 more\]$/)
  })
})

describe("messageOf", () => {
  it("returns the message of an error, or its name, and a string unchanged", () => {
    expect(messageOf(new Error("what happened"))).toBe("what happened")
    expect(messageOf(new RangeError(""))).toBe("RangeError")
    expect(messageOf("a word")).toBe("a word")
    expect(messageOf(new DOMException("too late", "TimeoutError"))).toBe("too late")
    expect(messageOf({ page: 7 })).toBe('{"page":7}')
  })
})

describe("causeText", () => {
  it("returns the same text as Cause.pretty for ordinary errors", () => {
    const inner = new Error("inner")
    const causes: ReadonlyArray<Cause.Cause<unknown>> = [
      Cause.die(new TypeError("outer", { cause: inner })),
      Cause.fail("a word"),
      Cause.fail(7),
      Cause.fail({ _tag: "Missing", page: 7 }),
      Cause.interrupt(3),
      Cause.combine(Cause.fail(new Error("first")), Cause.die(inner)),
      Cause.empty
    ]
    for (const cause of causes) expect(causeText(cause)).toBe(Cause.pretty(cause))
  })

  it("reports the number of omitted reasons", () => {
    const cause = Cause.fromReasons(Array.from({ length: 50 }, (_, index) => Cause.makeFailReason(index)))
    expect(causeText(cause)).toContain("... and 30 more")
    expect(Exit.isFailure(Exit.failCause(cause))).toBe(true)
  })
})

describe("a value that hides its content", () => {
  it("has the text of Effect's own protocol, inside and outside a fiber", () => {
    const secret = {
      password: "hunter2",
      [Redactable.symbolRedactable]: (context: Context.Context<never>) =>
        Context.getOption(context, Name).pipe(Option.getOrElse(() => "hidden"))
    }
    expect(textOf({ secret })).toBe('{"secret":"hidden"}')
    const inFiber = Effect.provideService(
      Effect.sync(() => textOf(secret)),
      Name,
      "by name"
    )
    expect(Effect.runSync(inFiber)).toBe('"by name"')
    expect(Redactable.redact(secret)).toBe("hidden")
  })

  it("gets the context of the fiber under the key of Effect", () => {
    // The types of Effect hide the key.
    expect(currentFiberKey).toBe(Reflect.get(Redactable, "currentFiberTypeId"))
  })

  it("gets a context with the fields of Effect's own outside a fiber", () => {
    const contexts: Array<Context.Context<never>> = []
    const secret = { [Redactable.symbolRedactable]: (context: Context.Context<never>) => void contexts.push(context) }
    textOf(secret)
    Redactable.redact(secret)
    const [ours, theirs] = contexts.map(Object.entries)
    expect(JSON.stringify(ours, shapeOf)).toBe(JSON.stringify(theirs, shapeOf))
    expect(contexts[0]!.pipe(Context.add(Name, "added"), Context.get(Name))).toBe("added")
  })
})

const shapeOf = (_: string, value: unknown): unknown => (typeof value === "function" ? "a function" : value)

class Name extends Context.Service<Name, string>()("Name") {}
