/**
 * Fuzzes everything that the host reads from a worker, with 24,000 cases. The name of the suite contains the seed. Set
 * `SEED` to repeat the same cases.
 */
import { textOf } from "@quiesce/core/internal"
import { Effect, Exit, Schema } from "effect"
import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import { MessageChannel } from "node:worker_threads"
import { afterAll, beforeEach, describe, expect, it } from "vitest"
import * as Codec from "../src/internal/wire/codec.ts"
import type { ToHost } from "../src/internal/wire/message.ts"
import { problemToHost } from "../src/internal/wire/toHost.ts"
import { TaskRings } from "../src/internal/host/taskRings.ts"
import { BadWords, Reader } from "../src/internal/wire/plainData.ts"
import * as Ring from "../src/internal/wire/ring.ts"
import { deep, holes, sharedParts } from "./fixtures/hostile-data.ts"
import { watch } from "./fixtures/hang-watchdog.ts"

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)

const watchdog = watch(`The fuzz with SEED=${seed}`)
beforeEach(watchdog.progress)
afterAll(watchdog.close)

/** The values are hidden in functions, because fast-check prints a counterexample with all its paths. */
const check = <A>(numRuns: number, arbitrary: fc.Arbitrary<A>, property: (value: A) => void): void =>
  fc.assert(
    fc.property(
      arbitrary.map((value) => () => value),
      (hidden) => {
        watchdog.progress()
        const value = hidden()
        try {
          property(value)
        } catch (cause) {
          throw new Error(`for ${textOf(value)}`, { cause })
        }
      }
    ),
    { numRuns, seed, endOnFailure: true }
  )

// ---- Values ----

/** A structure whose parts are shared. The number of paths through it grows exponentially. */
const graph = fc
  .array(
    fc.record({
      isArray: fc.boolean(),
      parts: fc.array(fc.nat(), { maxLength: 3 }),
      leaf: fc.oneof(fc.integer(), fc.string(), fc.constantFrom(null, undefined, NaN, -0, 1n))
    }),
    { minLength: 1, maxLength: 40 }
  )
  .map((nodes) => {
    const made: Array<unknown> = []
    for (const { isArray, leaf, parts } of nodes) {
      const children = parts.map((part) => made[part % Math.max(made.length, 1)])
      if (isArray) made.push([leaf, ...children])
      else made.push(Object.fromEntries([["leaf", leaf], ...children.map((child, index) => [`part${index}`, child])]))
    }
    return made.at(-1)
  })

const sparse = fc
  .tuple(fc.array(fc.anything(), { maxLength: 3 }), fc.constantFrom(1, 7, 1_000, 2 ** 31, 2 ** 32 - 4))
  .map(([items, more]) => {
    const array = [...items]
    array.length += more
    return array
  })

const hostile = fc.oneof(
  graph,
  sparse,
  fc.constantFrom(sharedParts(), holes(), deep(1_000)),
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true
  }),
  fc.constantFrom(NaN, -1, 0.5, 2 ** 53, Infinity, "x".repeat(40_000), "Exit", ["Exit"])
)

// ---- Messages ----

const exits: ReadonlyArray<unknown> = [
  { _tag: "Success", value: 7 },
  {
    _tag: "Failure",
    cause: [
      { _tag: "Fail", error: "no" },
      { _tag: "Die", defect: { name: "Error", message: "bug", cause: { message: "inner" } } },
      { _tag: "Interrupt", reason: { _tag: "Aborted", message: "gone", cause: { name: "Error", message: "why" } } },
      { _tag: "Killed", reason: { _tag: "Interrupted", message: "enough" }, thread: "inner", lost: ["page", "lock"] }
    ]
  }
]

const valid: ReadonlyArray<Record<string, unknown>> = [
  { _tag: "Ready", unwind: { _tag: "SectionsOnly", why: "it is a bundle" }, problem: null },
  { _tag: "Failed", problem: "a layer failed" },
  { _tag: "ThreadStarted", threadId: 3 },
  { _tag: "ThreadEnded", threadId: 3 },
  ...exits.map((exit) => ({ _tag: "Exit", id: 1, exit })),
  { _tag: "Unsendable", id: 1, problem: "a function could not be cloned" },
  { _tag: "Chunk", id: 1, values: [1, 2] },
  { _tag: "Raised", raise: 1, delivered: true },
  { _tag: "LeaseHeld", id: 1, lease: 2, name: "file" },
  { _tag: "LeaseEnded", id: 1, lease: 2, result: "released", error: null },
  { _tag: "Acquire", id: 1, lease: 2, name: "folder", payload: {} },
  ...exits.map((exit) => ({ _tag: "Release", id: 1, lease: 2, exit }))
]

interface Mutation {
  readonly path: ReadonlyArray<number>
  readonly how: "replace" | "delete" | "add"
  readonly value: unknown
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null

/** Changes one place of a copy of the message. */
const mutated = (message: Record<string, unknown>, { how, path, value }: Mutation): unknown => {
  const copy = structuredClone(message)
  let place = copy
  for (const step of path) {
    const keys = Object.keys(place)
    const key = keys[step % keys.length]
    if (key === undefined) break
    const inner = place[key]
    // An assignment to an element of a typed array converts the value to a number.
    if (isObject(inner) && !ArrayBuffer.isView(inner) && step % 3 !== 0) {
      place = inner
      continue
    }
    if (how === "delete") Reflect.deleteProperty(place, key)
    else Reflect.set(place, how === "add" ? `${key}more` : key, value)
    break
  }
  return copy
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  path: fc.array(fc.nat(20), { minLength: 1, maxLength: 6 }),
  how: fc.constantFrom("replace", "replace", "delete", "add"),
  value: hostile
})

const message = fc
  .tuple(fc.constantFrom(...valid), fc.array(mutation, { maxLength: 2 }))
  .map(([start, mutations]) =>
    mutations.reduce<unknown>((changed, one) => mutated(changed as Record<string, unknown>, one), start)
  )

const batch = fc.oneof(
  { weight: 4, arbitrary: fc.array(message, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: hostile }
)

// ---- The rules for an accepted message ----

const fields: Readonly<Record<string, string>> = Object.fromEntries(
  valid.map((one) => [one["_tag"], Object.keys(one).toSorted().join()])
)

const isExact = (u: ToHost): boolean =>
  Object.keys(u).toSorted().join() === fields[u._tag] &&
  Object.entries(u).every(([field, value]) => {
    if (["id", "lease", "raise", "threadId"].includes(field))
      return Number.isSafeInteger(value) && (value as number) >= 0
    if (field === "name") return typeof value === "string" && value.length < 100_000
    if (field === "values") return Array.isArray(value) && Object.keys(value).length >= value.length
    return true
  })

const codec = Codec.make("Fuzz", {
  payload: Schema.Void,
  success: Schema.Union([Schema.String, Schema.Struct({ at: Schema.DateFromString })]),
  error: Schema.String
})

describe(`data of a worker (SEED=${seed})`, () => {
  it("is refused with a short text, or conforms to the protocol and decodes without a throw", () => {
    let accepted = 0
    check(12_000, batch, (raw) => {
      const problem = problemToHost(raw)
      expect(problem?.length ?? 0).toBeLessThan(20_000)
      if (problem !== undefined) return
      accepted++
      for (const one of raw as ReadonlyArray<ToHost>) {
        expect(isExact(one)).toBe(true)
        if (one._tag !== "Exit" && one._tag !== "Release") continue
        const decoded = Effect.runSyncExit(Codec.exitFromWire(codec, one.exit))
        expect(Exit.isSuccess(decoded) || Exit.hasFails(decoded)).toBe(true)
      }
    })
    // Otherwise, the generator would test only one half of the decoder.
    expect(accepted).toBeGreaterThan(500)
  })

  it("decodes to the same value through the ring as through structured clone, or is refused by the ring", () => {
    const buffer = Ring.make()
    const writer = new Ring.RingWriter(buffer)
    const reader = new Ring.RingReader(buffer)
    let written = 0
    check(
      4_000,
      fc.oneof(hostile, exotic, fc.array(exotic, { maxLength: 2 }), fc.record({ a: exotic, b: small })),
      (value) => {
        if (!writer.write(1, 2, 3, value)) return
        written++
        let read: unknown
        reader.read((_first, _second, _third, given) => (read = given), 1)
        expect(isDeepStrictEqual(read, structuredClone(value))).toBe(true)
      }
    )
    expect(written).toBeGreaterThan(200)
  })

  it("in an entry of the ring is a value, an interruption without content, or a checked message", () => {
    const heard: Array<unknown> = []
    const { port1 } = new MessageChannel()
    const rings = new TaskRings([], port1, {
      ended: (id, value) => heard.push(["ended", id, value]),
      interrupted: (id) => heard.push(["interrupted", id]),
      sent: (messages) => heard.push(messages),
      fail: (problem) => heard.push(problem)
    })
    const writer = new Ring.RingWriter(rings.memory.values)
    const kinds = new Set<string>()
    check(4_000, fc.oneof({ weight: 9, arbitrary: anyEntry }, { weight: 1, arbitrary: interruption }), (entry) => {
      if (!writer.write(entry.id, entry.kind, entry.lease, entry.content)) return
      rings.readAll()
      const [received, ...more] = heard.splice(0)
      expect(more).toEqual([])
      expect(isTrue(entry, received, kinds)).toBe(true)
    })
    rings.drop()
    port1.close()
    expect([...kinds].toSorted()).toEqual(["Exit", "LeaseEnded", "LeaseHeld", "interrupted"])
  })

  it("in words that change during a read decodes to a value or BadWords, and the read ends", () => {
    const length = 256
    check(4_000, fc.record({ value: small, changes, end: fc.nat(length * 2) }), ({ changes, end, value }) => {
      const words = written(value, length)
      let reads = 0
      const changing = new Proxy(words, {
        get: (target, key) => {
          const change = changes[reads % changes.length]
          if (change !== undefined && typeof key === "string" && /^\d+$/.test(key)) {
            reads++
            if (change.at % 4 === 0) target[change.at % length] = change.word
          }
          return Reflect.get(target, key, target)
        }
      })
      const reader = new Reader(changing)
      reader.end = end
      try {
        reader.value()
      } catch (thrown) {
        if (!(thrown instanceof BadWords)) throw thrown
      }
      expect(reads).toBeLessThanOrEqual(end)
    })
  })
})

interface Entry {
  readonly id: number
  readonly kind: number
  readonly lease: number
  readonly content: unknown
}

/** Whether the host has received the content of an entry. The kinds of accepted entries are added to `kinds`. */
const isTrue = ({ content, id, kind, lease }: Entry, received: unknown, kinds: Set<string>): boolean => {
  if (kind === 0) return isDeepStrictEqual(received, ["ended", id, content])
  if (kind === 4 && lease === 0 && content === undefined) {
    kinds.add("interrupted")
    return isDeepStrictEqual(received, ["interrupted", id])
  }
  if (problemToHost(received) !== undefined) return true
  const [message] = received as ReadonlyArray<ToHost>
  kinds.add(message!._tag)
  const isCarried = ["Exit", "LeaseHeld", "LeaseEnded"].includes(message!._tag)
  return (
    isExact(message!) && isCarried && id >= 0 && [1, 2, 3, 5].includes(kind) && (kind !== 5 || content === undefined)
  )
}

/** Words and contents of entries, both valid and invalid. */
const word = fc.oneof(fc.constantFrom(0, 1, 7, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer())
const content = fc.oneof(
  fc.constantFrom<unknown>(undefined, undefined, "file", ["released", null], ["failed", "why"], ["lost"], ...exits),
  fc.anything({ maxDepth: 2 })
)

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  id: word,
  kind: fc.integer({ min: -1, max: 7 }),
  lease: word,
  content
})

/** `anyEntry` rarely draws an interruption, and for some seeds never. This generator draws more of them. */
const interruption: fc.Arbitrary<Entry> = fc.record({
  id: word,
  kind: fc.constant(4),
  lease: fc.constant(0),
  content: fc.constant(undefined)
})

const small = fc.anything({
  maxDepth: 2,
  values: [fc.integer(), fc.string(), fc.double(), fc.boolean(), fc.constant(null)]
})

const changes = fc.array(
  fc.record({
    at: fc.nat(1023),
    word: fc.oneof(fc.integer(), fc.integer({ min: -1, max: 9 }), fc.integer({ min: 510, max: 514 }))
  }),
  { minLength: 1, maxLength: 30 }
)

/** The words of a value. There are none if the value is not plain. */
const written = (value: unknown, length: number): Int32Array => {
  const buffer = Ring.make()
  new Ring.RingWriter(buffer).write(1, 2, 3, value)
  // After the header and the three words of the entry.
  return new Int32Array(buffer, (48 + 3) * 4, length)
}

const withPrototype = (prototype: object, value: object): unknown => Object.setPrototypeOf(value, prototype)

/** Objects that look plain in some way. */
const exotic = fc.oneof(
  small,
  graph,
  fc
    .tuple(fc.constantFrom(Object.prototype, Array.prototype, Date.prototype, null), small)
    .chain(([prototype, inner]) =>
      fc.constantFrom<() => unknown>(
        () => new Proxy({ inner }, {}),
        () => new Proxy([inner], {}),
        () => (isObject(inner) ? withPrototype(prototype as object, inner) : inner),
        ...[
          new Date(0),
          new Map([[1, 2]]),
          new Set([1]),
          new Error("a"),
          [1, 2],
          new Uint8Array(2),
          new ArrayBuffer(1)
        ].map(
          (value) => () => withPrototype(prototype as object, Object.assign(value, isObject(inner) ? {} : { inner }))
        ),
        () => Object.assign([inner], { own: inner }),
        () => Object.assign(Array(2), { 0: inner, own: 1 }),
        () => Object.defineProperty({ inner }, "hidden", { value: 1 }),
        () => ({ inner, [Symbol("s")]: 1 }),
        () => Object.defineProperty({ inner }, "got", { enumerable: true, get: () => 7 })
      )
    )
    .map((make) => make())
)
